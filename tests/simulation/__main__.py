"""`make simulate SEED=7`, `make soak`: run histories; a broken law prints the one command that shows it again, made small."""

import argparse
import itertools
import logging
import sys
import time
from collections import Counter
from dataclasses import replace

import structlog

from tests.simulation.world import FAULTS, Plan, World


def parse(arguments: list[str] | None = None) -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="tests.simulation", description=__doc__)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--seeds", type=int, default=1, help="how many, from --seed on")
    parser.add_argument("--soak", action="store_true", help="go on without end")
    parser.add_argument("--shards", type=int, choices=(1, 4))
    parser.add_argument("--commands", type=int)
    parser.add_argument("--faults", type=int)
    parser.add_argument("--kinds", help=f"of {','.join(FAULTS)}")
    parser.add_argument("--no-shrink", action="store_true")
    return parser.parse_args(arguments)


def plan_of(options: argparse.Namespace, seed: int) -> Plan:
    """Return the plan of a seed, with what the command line fixes."""
    fixed = {name: value for name in ("shards", "commands", "faults") if (value := getattr(options, name)) is not None}
    if options.kinds is not None:
        fixed["kinds"] = tuple(kind for kind in options.kinds.split(",") if kind)
    return Plan.of(seed, **fixed)


def failure_of(plan: Plan) -> BaseException | None:
    """Run a plan; return what broke."""
    try:
        World(plan).run()
    except Exception as broken:  # noqa: BLE001 - whatever breaks is the finding
        return broken
    return None


def command_of(plan: Plan) -> str:
    """Return the command that runs the plan again."""
    options = f"--shards {plan.shards} --commands {plan.commands} --faults {plan.faults}"
    kinds = "" if plan.kinds == FAULTS else f" --kinds '{','.join(plan.kinds)}'"
    return f'make simulate SEED={plan.seed} ARGS="{options}{kinds}"'


def shrink(plan: Plan, first: BaseException) -> tuple[Plan, BaseException]:
    """Make the plan smaller as long as something of the same type breaks."""
    smaller = True
    while smaller:
        smaller = False
        for candidate in candidates(plan):
            broken = failure_of(candidate)
            if type(broken) is type(first) and broken is not None:
                plan, first, smaller = candidate, broken, True
                break
    return plan, first


def candidates(plan: Plan) -> list[Plan]:
    """Return plans that are simpler in one way."""
    simpler = [replace(plan, shards=1)] if plan.shards > 1 else []
    simpler += [replace(plan, commands=plan.commands // 2)] if plan.commands > 5 else []
    simpler += [replace(plan, faults=plan.faults // 2)] if plan.faults > 0 else []
    if len(plan.kinds) > 1:
        simpler += [replace(plan, kinds=tuple(kind for kind in plan.kinds if kind != gone)) for gone in plan.kinds]
    return simpler


def main() -> int:
    """Run seeds one after the other."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.CRITICAL))
    options = parse()
    seeds = itertools.count(options.seed) if options.soak else range(options.seed, options.seed + options.seeds)
    totals: Counter[str] = Counter()
    started = time.monotonic()
    for number, seed in enumerate(seeds, 1):
        plan = plan_of(options, seed)
        world = World(plan)
        try:
            world.run()
        except Exception as broken:  # noqa: BLE001 - whatever breaks is the finding
            print(f"seed {seed}: {type(broken).__name__}: {broken}\n  again: {command_of(plan)}", flush=True)
            if not options.no_shrink:
                small, why = shrink(plan, broken)
                print(f"  smaller: {command_of(small)}\n  {type(why).__name__}: {why}", flush=True)
            return 1
        totals.update(world.faults)
        rate = number / (time.monotonic() - started)
        print(
            f"seed {seed}: {plan.shards} shards, {world.laws.checked} records checked, {sum(world.faults.values())} faults, "
            f"{world.laws.tally.trades} trades, {world.laws.tally.liquidations} liquidations "
            f"({number} histories, {totals.total()} faults, {rate:.1f}/s)",
            flush=True,
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
