"""The venue on one machine: everything in one process on the embedded log, or every service as a process on Kafka."""
