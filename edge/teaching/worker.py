"""The process in which a running station learns, and installs what it has learnt: it may take a minute and a core.

`python -m edge.teaching.worker learn STATION_FILE STATE_FOLDER NAME` leaves a proposal in the state folder: the head, and
what is to be expected of it. `... install STATION_FILE STATE_FOLDER DIGEST` installs that very head. Both write lines of
JSON: how far it is, and why nothing came of it. It ends with the thread that started it.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from edge.bundle.archive import read_bundle
from edge.config import Station, load_station
from edge.errors import SorterError, TeachingError
from edge.inference.interpreter import open_interpreter
from edge.system.files import make_folder, read_regular, write_atomically
from edge.system.output import say, silence_native_logs
from edge.system.realtime import die_with_maker
from edge.teaching.installing import (
    base_for,
    check_labels,
    install,
    next_number,
    note_head,
    pack_for,
    present_instant,
)
from edge.teaching.learning import learn
from edge.teaching.pictures import find_in_folders, look
from edge.teaching.plan import purity_for
from edge.teaching.report import as_tree
from edge.teaching.shown import TEACHING_FOLDER, ShownItems
from edge.teaching.turns import teaching_claimed

_NICE: Final = 10  # sorting goes first
_MEMORY_BYTES: Final = 1 << 30  # of what it writes to; learning from 500 photos takes 150 MB
_PROCESSOR_S: Final = 1800
_MOST_BYTES: Final = 64 << 20
_LOOKING: Final = 0.6  # of all the time


@dataclass(frozen=True)
class Proposal:
    """A head that was learnt and is not installed, and what was found of it, in a station's state folder."""

    folder: Path

    @classmethod
    def of(cls, state_folder: Path) -> Proposal:
        return cls(state_folder / TEACHING_FOLDER / "proposal")

    def report(self) -> dict[str, Any] | None:
        """What was found of it; None where nothing was learnt since the last that was installed, or it is damaged."""
        try:
            report = json.loads(read_regular(self.folder / "report.json", _MOST_BYTES))
        except (OSError, ValueError, RecursionError):
            return None
        return report if isinstance(report, dict) and {"at", "labels", "refused"} <= report.keys() else None

    def write(self, report: dict[str, Any], head: bytes | None) -> None:
        """Put it in the place of the one before; `head` is None where it is refused.

        Raises:
            TeachingError: the disk does not let us.
        """
        try:
            make_folder(self.folder)
            self.remove()
            if head is not None:
                write_atomically(self.folder / "head.sorter", head)
            write_atomically(self.folder / "report.json", json.dumps(report, indent=1).encode() + b"\n")
        except OSError as error:
            raise TeachingError(
                f"{self.folder}: can't be written ({error.strerror}): make room, then learn again"
            ) from None

    def remove(self) -> None:
        """Forget it."""
        for name in ("report.json", "head.sorter"):
            (self.folder / name).unlink(missing_ok=True)

    def head(self) -> bytes:
        """The head's bytes.

        Raises:
            TeachingError: it is not there.
        """
        try:
            return read_regular(self.folder / "head.sorter", _MOST_BYTES)
        except OSError:
            raise TeachingError("nothing that was learnt waits to be installed: learn again") from None


def propose(station: Station, by: str, progress: Callable[[float], None]) -> None:
    """Learn from all that was shown, and leave a proposal.

    Raises:
        TeachingError: nothing was shown, somebody else teaches, or the disk does not let us.
        BundleError, StoreError: the base can't be used.
    """
    with teaching_claimed(station.state_folder):
        shown = ShownItems(station.state_folder)
        labels = shown.labels()
        if not labels:
            raise TeachingError("nothing was shown yet, so there is nothing to learn from")
        base, at = base_for(station, None), present_instant()
        check_labels(station, base, set(labels))
        pictures = find_in_folders(shown.folder)
        seen = look(base, open_interpreter(base), pictures, lambda share: progress(_LOOKING * share))
        purity = purity_for(station, None)
        learnt = learn(base, seen.lessons, purity, lambda share: progress(_LOOKING + (1 - _LOOKING) * share))
        report = {"station": station.name, "base": base.manifest.title, "by": by, "at": at, **as_tree(seen, learnt)}
        report["shown"] = {label: one.items for label, one in labels.items()}
        head = None if learnt.refusal else pack_for(station, base, seen.lessons, learnt, (by, at))
        if head is not None:
            made = read_bundle(head, "the taught head")
            report |= {"version": made.manifest.version, "digest": made.digest}
        Proposal.of(station.state_folder).write(report, head)


def install_proposal(station: Station, digest: str) -> None:
    """Install the head that was proposed, on probation; the running station changes over by itself.

    Raises:
        TeachingError: it is another than the one with that digest, or a head was taught meanwhile.
        BundleError, StoreError: it does not prove itself here.
    """
    with teaching_claimed(station.state_folder):
        proposal = Proposal.of(station.state_folder)
        content, report = proposal.head(), proposal.report()
        made = read_bundle(content, "the taught head")
        taught = made.manifest.taught
        if report is None or taught is None or made.digest != digest:
            raise TeachingError("what was learnt last is another head than the one that was shown: look at it again")
        base = base_for(station, None)
        if (taught.base, taught.number) != (base.digest, next_number(station, base)):
            raise TeachingError("another head or another base was installed since it was learnt: learn again")
        install(station, base, content)
        note_head(station, made.manifest.version, report)
        proposal.remove()


def main(words: list[str]) -> int:
    """Do what the words say; return the exit code."""
    task, file, state_folder, given = words
    _stand_back()
    silence_native_logs()
    try:
        station = load_station(Path(file)).with_values(state_folder=Path(state_folder))
        if task == "install":
            install_proposal(station, given)
        else:
            propose(station, given, lambda share: _tell(share=round(share, 3)))
    except SorterError as error:
        _tell(error=str(error))
        return error.exit_code
    except MemoryError:
        _tell(
            error=f"learning needs more than the {_MEMORY_BYTES >> 20} MB that it may take: forget a label, or show less"
        )
        return 1
    return 0


def _tell(**what: object) -> None:
    say(json.dumps(what))


def _stand_back() -> None:
    """Take no more than what sorting leaves, and end when the station does."""
    die_with_maker()
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))  # the thread that started this one goes before others
    os.nice(_NICE)
    resource.setrlimit(resource.RLIMIT_DATA, (_MEMORY_BYTES, _MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_PROCESSOR_S, _PROCESSOR_S + 1))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
