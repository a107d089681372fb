// Prints a feed of a venue, each record once, as one line of JSON: node read_feed.mjs 127.0.0.1:19092 feed.trades
//
// It begins at the oldest record that the broker keeps. Run `npm ci` in this folder first; the schema is read from ../vigil/v1.

import { randomUUID } from "node:crypto";
import { fileURLToPath } from "node:url";
import { Kafka, logLevel } from "kafkajs";
import protobuf from "protobufjs";

const READABLE = { longs: String, enums: String, bytes: String };

/** Reader of serialized FeedRecords; 64-bit numbers become text, for a JavaScript number holds 53 bits. */
function recordReader() {
  const root = new protobuf.Root();
  const protos = fileURLToPath(new URL("../", import.meta.url));
  root.resolvePath = (_origin, target) => protos + target;
  const type = root.loadSync("vigil/v1/feeds.proto", { keepCase: true }).lookupType("vigil.v1.FeedRecord");
  return (bytes) => type.toObject(type.decode(bytes), { ...READABLE, oneofs: true });
}

/** Whether a record is new: its writer may repeat records after a crash, and never leaves one out. */
function judge() {
  const last = new Map();
  return (partition, record) => {
    const digest = record.digest_announced;
    const place = digest ? record.machine : `partition ${partition}`;
    const seq = BigInt(digest ? digest.offset ?? 0 : record.seq);
    const before = last.get(place);
    if (before !== undefined && seq <= before) return false;
    if (!digest && before !== undefined && seq > before + 1n) {
      console.error(`partition ${partition}: ${seq - before - 1n} records before seq ${seq} are missing`);
    }
    last.set(place, seq);
    return true;
  };
}

/** One line for one record. */
function line(topic, partition, record) {
  const { machine, seq, at_ms, event } = record;
  return JSON.stringify({ topic, partition, seq: seq ?? "0", machine, at_ms, event, [event]: record[event] });
}

async function main([broker, topic]) {
  if (!broker || !topic) {
    console.error("usage: node read_feed.mjs HOST:PORT TOPIC, such as 127.0.0.1:19092 feed.trades");
    process.exit(2);
  }
  const read = recordReader();
  const isNew = judge();
  // The library reads in groups only; a group of our own, which commits nothing, reads every partition from its start.
  const groupId = `read-feed-${randomUUID()}`;
  const consumer = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING }).consumer({ groupId });
  await consumer.connect();
  await consumer.subscribe({ topic, fromBeginning: true });
  for (const signal of ["SIGINT", "SIGTERM"]) process.once(signal, () => consumer.disconnect());
  await consumer.run({
    autoCommit: false,
    eachMessage: async ({ partition, message }) => {
      const record = read(message.value);
      if (isNew(partition, record)) console.log(line(topic, partition, record));
    },
  });
}

main(process.argv.slice(2)).catch((error) => {
  console.error(`read_feed: ${error.message}`);
  process.exit(1);
});
