"""Feeds the program damaged and hostile files, frames, requests and talks; each has to end in one sentence or in nothing.

    python benchmarks/fuzz.py [--cases 10000] [--seed 1] [--targets pins,keys] [--jobs 2]
    python benchmarks/fuzz.py --seed 1 --case pins:17        repeats one case

A finding is an exception that is no SorterError, a pin that is left on or driven beyond its limits, a key or a spelling
that must not be trusted, a file that stays open, a process that dies, or a case that computes for longer than 10 s or
is not over after two minutes. Cases are divided evenly among the targets; each has its own source of chance.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

from fuzzing.runner import HANGING_S, TARGETS, run_target


def fuzz(numbers: dict[str, range], seed: int, jobs: int, limit_s: float) -> tuple[Counter[str], list[str]]:
    """Run the cases, some targets at a time; return how they ended, and the findings."""
    ends: Counter[str] = Counter()
    findings: list[str] = []
    with ThreadPoolExecutor(jobs) as pool:
        for some_ends, found in pool.map(lambda name: run_target(name, seed, numbers[name], limit_s), numbers):
            ends += some_ends
            findings += found
    return ends, findings


def shares(cases: int, names: list[str]) -> dict[str, range]:
    """Case numbers for each target."""
    return {name: range(cases // len(names) + (n < cases % len(names))) for n, name in enumerate(names)}


def chosen(text: str) -> dict[str, range]:
    """The one case that TARGET:NUMBER names."""
    name, _, number = text.partition(":")
    if name not in TARGETS or not number.isdigit():
        raise argparse.ArgumentTypeError(f"expected TARGET:NUMBER, with one of {', '.join(TARGETS)}")
    return {name: range(int(number), int(number) + 1)}


def targets(text: str) -> list[str]:
    """The targets of a list that is divided by commas."""
    names = text.split(",")
    if unknown := set(names) - set(TARGETS):
        raise argparse.ArgumentTypeError(f"no target {', '.join(unknown)}; expected some of {', '.join(TARGETS)}")
    return names


def main() -> None:
    """Print how the cases ended."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--cases", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--targets", type=targets, default=list(TARGETS))
    parser.add_argument("--case", type=chosen, help="repeat this one, TARGET:NUMBER")
    parser.add_argument("--jobs", type=int, default=2, help="targets at a time")
    parser.add_argument("--limit", type=float, default=HANGING_S, help="seconds after which a case counts as hanging")
    options = parser.parse_args()
    numbers = options.case or shares(options.cases, options.targets)
    begun = time.monotonic()
    ends, findings = fuzz(numbers, options.seed, options.jobs, options.limit)
    for end, count in sorted(ends.items()):
        print(f"{count:6} {end}")
    print(*findings[:20], sep="\n")
    seconds = time.monotonic() - begun
    print(f"{ends.total()} cases of seed {options.seed} in {seconds:.0f} s, {len(findings)} findings")
    sys.exit(bool(findings))


if __name__ == "__main__":
    main()
