"""Keeps what is shown of the bins' purity up to date while a station runs."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path

from edge.clock import NS_PER_S
from edge.config.sorting import Bin
from edge.errors import JournalError
from edge.stats.purity import find_labels_of, judge, read_labels_of
from edge.status.snapshot import SeenPurity

log = logging.getLogger(__name__)

LOOK_NS = 60 * NS_PER_S  # for new labels
JUDGE_NS = 3600 * NS_PER_S  # without any: another model may be at work

Show = Callable[[Mapping[str, SeenPurity]], None]


class PurityWatch:
    """Looks for labels once a minute, and judges the bins anew where there are new ones; for a thread that may wait."""

    def __init__(self, journal: Path, bins: Sequence[Bin], show: Show) -> None:
        self._journal, self._bins, self._show = journal, bins, show
        self._looked_at: int | None = None
        self._judged_at = 0
        self._judged: frozenset[tuple[Path, int, int]] = frozenset()

    def look(self, now: int) -> None:
        """Judge if it is time to; what can't be read is tried again."""
        if self._looked_at is not None and now - self._looked_at < LOOK_NS:
            return
        self._looked_at = now
        paths = find_labels_of(self._journal)
        if not paths:
            return  # nobody has labelled anything: reading the journal would tell nothing
        there = frozenset(filter(None, map(_mark, paths)))
        if there == self._judged and now - self._judged_at < JUDGE_NS:
            return
        try:
            purity = judge(self._journal, self._bins, read_labels_of(self._journal))
        except JournalError as error:
            log.debug("no purity: %s", error)
            return
        self._judged, self._judged_at = there, now
        self._show({one.bin: one.seen for one in purity.present})


def _mark(path: Path) -> tuple[Path, int, int] | None:
    """Return what tells one state of a file from the next."""
    with suppress(OSError):
        status = path.stat()
        return path, status.st_mtime_ns, status.st_size
    return None
