"""Runs cases in processes of their own, so that one that hangs or kills its process is a finding and no more."""

from __future__ import annotations

import faulthandler
import logging
import multiprocessing
import random
import shutil
import tempfile
import threading
import time
import traceback
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from multiprocessing.connection import Connection
from pathlib import Path

from edge.errors import SorterError
from fuzzing import bundles, calibrations, frames, heads, journals, keys, pages, past, places, receiving, stations
from fuzzing.case import Case, Prepare

SLOW_S = 10.0  # of computing: a busy machine is no finding
HANGING_S = 120.0
Work = tuple[str, int, Sequence[int], Path, float]
TARGETS: dict[str, Prepare] = {
    "station": stations.station,
    "calibration": calibrations.calibration,
    "pins": calibrations.pins,
    "bundle": bundles.bundle,
    "manifest": bundles.manifest,
    "signature": bundles.signature,
    "head": heads.head,
    "memory": heads.memory,
    "keys": keys.keys,
    "place": places.place,
    "receive": receiving.receive,
    "frame": frames.frame,
    "request": pages.request,
    "journal": journals.journal,
    "past": past.past,
}
# Whatever they are fed, the station goes on.
NEVER_REFUSED = ("pins", "place", "receive", "frame", "journal")


class Tracebacks(logging.Handler):
    """Whatever a thread logs with a traceback, or dies of, is a finding too."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.found: list[str] = []
        threading.excepthook = lambda died: self.found.append(
            "".join(traceback.format_exception(died.exc_type, died.exc_value, died.exc_traceback))
        )

    def emit(self, record: logging.LogRecord) -> None:
        if record.exc_info and record.exc_info[0] is not None:
            self.found.append(logging.Formatter().format(record))


def run_target(
    name: str, seed: int, numbers: Sequence[int], limit_s: float = HANGING_S
) -> tuple[Counter[str], list[str]]:
    """Run these cases of one target, each within the limit; return how they ended, and the findings, each with the command that repeats it."""
    ends: Counter[str] = Counter()
    findings: list[str] = []
    while numbers:
        with tempfile.TemporaryDirectory(prefix="fuzz-", ignore_cleanup_errors=True) as folder:
            done = 0
            for ended, found in _in_a_process((name, seed, numbers, Path(folder), limit_s)):
                ends[f"{name} {ended}"] += 1
                findings += [_finding(name, seed, numbers[done], text) for text in found]
                done += 1
            if done < len(numbers):  # its process is gone
                ends[f"{name} FINDING"] += 1
                last_words = (Path(folder) / "last-words").read_text(errors="replace")
                findings.append(_finding(name, seed, numbers[done], f"its process ended, or hung\n{last_words}"))
                done += 1
        numbers = numbers[done:]
    return ends, findings


def _finding(name: str, seed: int, number: int, text: str) -> str:
    return f"{name}: {text.strip()}\nrepeat it with: python benchmarks/fuzz.py --seed {seed} --case {name}:{number}\n"


def _in_a_process(work: Work) -> Iterator[tuple[str, list[str]]]:
    """Yield how each case ended, and what was found; fewer than there are cases if the process is gone before."""
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_work, args=(work, sender))
    process.start()
    sender.close()
    with receiver, suppress(EOFError):
        for _ in work[2]:
            yield receiver.recv()
    process.join()


def _work(work: Work, said: Connection) -> None:
    name, seed, numbers, folder, limit_s = work
    logging.getLogger("edge").setLevel(logging.CRITICAL)
    logging.getLogger().addHandler(tracebacks := Tracebacks())
    place, shared = folder / "case", folder / "shared"
    shared.mkdir()
    with (folder / "last-words").open("w") as last_words:
        faulthandler.enable(last_words)
        faulthandler.dump_traceback_later(limit_s, exit=True, file=last_words)
        run = TARGETS[name](shared)
        for number in numbers:
            faulthandler.dump_traceback_later(limit_s, exit=True, file=last_words)
            place.mkdir()
            case = Case(random.Random(f"{seed} {name} {number}"), place)
            ended = _attempt(run, case, tracebacks.found, must_go_on=name in NEVER_REFUSED)
            shutil.rmtree(place)
            said.send((ended, tracebacks.found))
            tracebacks.found = []
        faulthandler.cancel_dump_traceback_later()


def _attempt(run: Callable[[Case], object], case: Case, found: list[str], must_go_on: bool) -> str:
    """Run one case; return how it ended."""
    computed = time.process_time()
    try:
        run(case)
        ended = "taken"
    except SorterError as error:
        if must_go_on:
            found.append(traceback.format_exc())
        ended = "refused" if str(error).strip() else "refused without a word"
    except OSError:
        ended = "cut off"
    except Exception:  # noqa: BLE001 - what nobody expects is what is looked for
        found.append(traceback.format_exc())
    if (took := time.process_time() - computed) > SLOW_S:
        found.append(f"it took {took:.1f} s of computing")
    return "FINDING" if found else ended
