"""Log lines for whoever reads them: a person at a terminal, or journald, which wants to know how grave each is."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Mapping
from typing import TextIO

from edge.output import HarmlessFormatter

# syslog's numbers, which journald reads from the front of a line: `journalctl -p err` finds what matters
_GRAVITY = {logging.DEBUG: 7, logging.INFO: 6, logging.WARNING: 4, logging.ERROR: 3, logging.CRITICAL: 2}


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


def log_handler(stream: TextIO, environment: Mapping[str, str]) -> logging.Handler:
    """Return what writes to the stream as its reader wants it."""
    handler = logging.StreamHandler(stream)
    if is_journald(stream, environment):
        handler.setFormatter(_JournaldFormatter("%(name)s: %(message)s"))
    else:
        handler.setFormatter(HarmlessFormatter("%(levelname)s %(name)s: %(message)s"))
    return handler


def configure_logs(level: int = logging.INFO) -> None:
    """Send the log to stderr; only a command does this, never an import."""
    logging.basicConfig(level=level, handlers=[log_handler(sys.stderr, os.environ)])
