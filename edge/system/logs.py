"""Log lines for whoever reads them: a person at a terminal, or journald, which wants to know how grave each is."""

from __future__ import annotations

import logging
import os
import select
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TextIO

from edge.system.output import HarmlessFormatter

# syslog's numbers, which journald reads from the front of a line: `journalctl -p err` finds what matters
_GRAVITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


# How long a line waits for a terminal or for journald.
PATIENCE_S = 0.05


class _JournaldFormatter(HarmlessFormatter):
    def format(self, record: logging.LogRecord) -> str:
        prefix = f"<{_GRAVITY.get(record.levelno, 6)}>"
        return "\n".join(prefix + line for line in super().format(record).splitlines())


def is_journald(stream: TextIO, environment: Mapping[str, str]) -> bool:
    """Say whether the stream goes to journald: systemd names its device and inode in JOURNAL_STREAM."""
    try:
        status = os.fstat(stream.fileno())
    except (OSError, ValueError):
        return False
    return environment.get("JOURNAL_STREAM") == f"{status.st_dev}:{status.st_ino}"


class _UnhurriedHandler(logging.StreamHandler[TextIO]):
    """Keeps nobody waiting: a terminal that is held with Ctrl-S, or a reader that reads no more, loses lines."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__(stream)
        self._lost = 0

    def emit(self, record: logging.LogRecord) -> None:
        if not self._takes_more():
            self._lost += 1
            return
        if self._lost:
            note = {"name": __name__, "levelno": logging.WARNING, "levelname": "WARNING"}
            super().emit(logging.makeLogRecord(note | {"msg": f"{self._lost} lines of the log were not taken"}))
            self._lost = 0
        super().emit(record)

    def _takes_more(self) -> bool:
        try:
            return bool(select.select([], [self.stream], [], PATIENCE_S)[1])
        except (OSError, ValueError):  # no descriptor, or a closed one
            return True

    def handleError(self, record: logging.LogRecord) -> None:  # noqa: N802 - logging calls it so
        """Say nothing where nobody hears it: the terminal is gone."""
        if not isinstance(sys.exc_info()[1], OSError):
            super().handleError(record)


def log_handler(stream: TextIO, environment: Mapping[str, str]) -> logging.Handler:
    """Return what writes to the stream as its reader wants it."""
    handler = _UnhurriedHandler(stream)
    if is_journald(stream, environment):
        handler.setFormatter(_JournaldFormatter("%(name)s: %(message)s"))
    else:
        handler.setFormatter(HarmlessFormatter("%(levelname)s %(name)s: %(message)s"))
    return handler


def configure_logs(level: int = logging.INFO) -> None:
    """Send the log to stderr; only a command does this, never an import."""
    logging.basicConfig(level=level, handlers=[log_handler(sys.stderr, os.environ)])


@contextmanager
def log_level(name: str, level: int) -> Iterator[None]:
    """Have a logger, and those below it, say nothing beneath a level for as long as the context lasts."""
    logger = logging.getLogger(name)
    before = logger.level
    logger.setLevel(level)
    try:
        yield
    finally:
        logger.setLevel(before)
