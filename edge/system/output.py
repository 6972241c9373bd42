"""Standard output and error: they take every text, in whatever terminal, and say so when they can't be written."""

from __future__ import annotations

import codecs
import errno
import faulthandler
import io
import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any, TextIO, cast

from edge.errors import OutputError, ReaderGoneError
from edge.system.text import harmless

# How a terminal that has no such sign gets it.
_IN_ASCII = {
    "…": "...", "–": "-", "—": "-", "─": "-", "━": "-", "│": "|", "·": ".", "•": "*", "×": "x", "°": " degrees",
    "µ": "u", "→": "->", "≤": "<=", "≥": ">=", "±": "+-", "‘": "'", "’": "'", "“": '"', "”": '"', "„": '"',
    "ä": "ae", "ö": "oe", "ü": "ue", "Ä": "Ae", "Ö": "Oe", "Ü": "Ue", "ß": "ss",
}  # fmt: skip
_ERRORS = "edge.system.output"
_SHOW_NATIVE_LOGS = "SORTER_NATIVE_LOGS"


def _without_the_sign(error: UnicodeError) -> tuple[str, int]:
    if not isinstance(error, UnicodeEncodeError):
        raise error
    signs = error.object[error.start : error.end]
    return "".join(_IN_ASCII.get(s) or s.encode("unicode_escape").decode("ascii") for s in signs), error.end


codecs.register_error(_ERRORS, _without_the_sign)


class _Descriptor(io.FileIO):
    """Standard output whose trouble is one sentence; a reader that went away (`| head`) is a ReaderGoneError.

    No BrokenPipeError: typer and rich take that for themselves, and end with exit code 1, as a bug does.

    A closed terminal gets in nobody's way: its SIGHUP says how the work ends, or nohup that it goes on.
    """

    def __init__(self, number: int) -> None:
        super().__init__(number, "w", closefd=False)
        self._is_terminal = self.isatty()  # asked now: a terminal that is gone denies that it is one

    def write(self, data: Any, /) -> int:
        try:
            return super().write(data)
        except BrokenPipeError:
            raise ReaderGoneError("the reader of the output went away") from None
        except OSError as error:
            if self._is_terminal and error.errno == errno.EIO:
                return memoryview(data).nbytes
            raise OutputError(f"the output can't be written: {error.strerror}") from None


def prepare_streams() -> None:
    """Make standard output and error fit for every text; called once, by the command line."""
    for stream, number in ((sys.stdin, 0), (sys.stdout, 1), (sys.stderr, 2)):
        if stream is None:  # it was closed: no file that is opened later may get its number
            with suppress(OSError):
                os.dup2(os.open(os.devnull, os.O_RDWR), number)
    if logging.lastResort is not None:  # what a command without a log of its own warns of
        logging.lastResort.setFormatter(HarmlessFormatter("sorter: %(message)s"))
    if isinstance(sys.stderr, io.TextIOWrapper):
        sys.stderr.reconfigure(errors=_ERRORS)
    if isinstance(sys.stdout, io.TextIOWrapper) and sys.stdout is sys.__stdout__:
        buffer = io.BufferedWriter(_Descriptor(sys.stdout.fileno()))
        lines = sys.stdout.line_buffering
        sys.stdout = io.TextIOWrapper(buffer, encoding=sys.stdout.encoding, errors=_ERRORS, line_buffering=lines)


def silence_native_logs() -> None:
    """Give Python's standard error a descriptor of its own and drop what C++ libraries write to number 2.

    Some of it is written before any setting of theirs is read. Whoever sets SORTER_NATIVE_LOGS sees it all.
    """
    stderr = sys.stderr
    if _SHOW_NATIVE_LOGS in os.environ or stderr is not sys.__stderr__ or stderr is None:
        return
    os.environ["TF_CPP_MIN_LOG_LEVEL"] = "3"
    terminal = os.dup(2)
    silent = os.open(os.devnull, os.O_WRONLY)
    os.dup2(silent, 2)
    os.close(silent)
    sys.stderr = os.fdopen(terminal, "w", buffering=1, encoding=stderr.encoding, errors=stderr.errors)
    faulthandler.enable(sys.stderr)  # a crash of theirs must not be silent too


class HarmlessFormatter(logging.Formatter):
    """What is told of may come from a device, a file name or a bundle: no line of it steers a terminal."""

    def format(self, record: logging.LogRecord) -> str:
        return harmless(super().format(record))


def say(text: str, *, err: bool = False) -> None:
    """Print a line, whatever is in it; with `err` to standard error."""
    stream = sys.stderr if err else sys.stdout
    if stream is not None:
        stream.write(f"{harmless(text)}\n")
        stream.flush()


class _Shown(io.TextIOBase):
    """Standard output while it is a terminal: what is in the text steers nothing."""

    def write(self, text: str, /) -> int:
        # Line ends of CSV are two characters, one of which would be written out.
        sys.stdout.write(harmless(text.replace("\r\n", "\n")))
        return len(text)


@contextmanager
def text_output() -> Iterator[TextIO]:
    """Give standard output for another program: UTF-8, byte for byte; on a terminal what people can read.

    Raises:
        OutputError: it can't be written, or its reader went away.
    """
    if sys.stdout.isatty():
        yield cast("TextIO", _Shown())
        return
    sys.stdout.flush()
    stream = io.TextIOWrapper(sys.stdout.buffer, encoding="utf-8", newline="")
    try:
        yield stream
        stream.flush()
    finally:
        with suppress(OSError, OutputError):  # what failed is on its way already
            stream.detach()


def complain(text: str) -> None:
    """Say on standard error what ended the command, if anybody hears it."""
    with suppress(OSError, OutputError):
        say(text, err=True)


def close_output() -> None:
    """Write what waits in standard output, here rather than at the interpreter's end, where nobody could say so.

    Raises:
        OutputError: it can't be written, or its reader went away.
    """
    if sys.stdout is not None:
        sys.stdout.flush()


def leave_dead_streams() -> None:
    """Leave a terminal that is gone, so that the exit code is that of the work and not of its last word."""
    for stream, number in ((sys.stdout, 1), (sys.stderr, 2)):
        try:
            if stream is not None:
                stream.flush()
        except (OSError, OutputError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), number)


def give_up_output() -> None:
    """Throw away what waits for a standard output that takes nothing, so that it does not fail once more at the end."""
    if sys.stdout is not None:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
