"""Commands per second of the book alone, as it is and compiled: `python -m bench.books` prints {"per_s": ..., "compiled": ...}.

The mix is that of the clients: each of 64 owners keeps two frames of orders some ticks from the middle, cancels the older one, and one
new order in 25 trades.
"""

import gc
import json
import os
import random
import subprocess
import sys
from time import process_time

import services.matching.book
from bench.book_loop import CANCEL, PLACE, play
from deploy.compiled import ROOT, compile_modules
from services.matching.book import BUY, SELL, Book

FOLDER = ROOT / "build" / "bench" / "book"
MODULES = ("services.core.fixed", "services.matching.book", "services.matching.plan", "bench.book_loop")
OWNERS, FRAME, TAKER_SHARE = 64, 50, 25
MIDDLE, NEAREST, LEVELS = 80_000, 20, 200
COMMANDS = 400_000
ROUNDS = 3

Command = tuple[int, int, int, int, int, int, bool]


def commands(count: int) -> list[Command]:
    """The stream, in frames of the owners in turn."""
    chance = random.Random("book")
    resting: dict[int, list[list[int]]] = {owner: [] for owner in range(OWNERS)}
    made: list[Command] = []
    ref = 0
    while len(made) < count:
        owner = len(made) // FRAME % OWNERS
        frames = resting[owner]
        old = frames.pop(0) if len(frames) > 1 else []
        made += [(CANCEL, owner << 8, one, 0, 0, 0, False) for one in old]
        frames.append([])
        for _ in range(FRAME - len(old)):
            ref += 1
            side = BUY if ref & 1 else SELL
            takes = chance.randrange(TAKER_SHARE) == 0
            away = -NEAREST - LEVELS if takes else NEAREST + chance.randrange(LEVELS)
            made.append((PLACE, owner << 8, ref, side, MIDDLE - side * away, 10, not takes))
            if not takes:
                frames[-1].append(ref)
    return made[:count]


def per_s() -> float:
    """Commands per second of processor time, the best of some rounds."""
    stream = commands(COMMANDS)
    gc.disable()
    best = 0.0
    for _ in range(ROUNDS):
        began = process_time()
        if not play(Book(), stream):
            raise RuntimeError("nothing traded")
        best = max(best, COMMANDS / (process_time() - began))
    return best


def compiled_per_s() -> float:
    """The same in an interpreter that meets the compiled book."""
    compile_modules(FOLDER, MODULES)
    environment = os.environ | {"PYTHONSAFEPATH": "1", "PYTHONPATH": str(FOLDER)}
    done = subprocess.run([sys.executable, "-m", "bench.books"], env=environment, capture_output=True, check=True)
    said = json.loads(done.stdout)
    if not said["compiled"]:
        raise RuntimeError("the book was not compiled")
    return float(said["per_s"])


if __name__ == "__main__":
    compiled = not str(services.matching.book.__file__).endswith(".py")
    print(json.dumps({"per_s": per_s(), "compiled": compiled}))
