"""How grave a line is, as journald reads it."""

from __future__ import annotations

import io
import logging
import os
from pathlib import Path

import pytest

from edge.system.logs import is_journald, log_handler


@pytest.mark.parametrize("journald", [True, False])
def test_each_line_says_how_grave_it_is(tmp_path: Path, journald: bool) -> None:
    with (tmp_path / "log").open("w") as stream:
        status = os.fstat(stream.fileno())
        environment = {"JOURNAL_STREAM": f"{status.st_dev}:{status.st_ino}"} if journald else {}
        assert is_journald(stream, environment) is journald
        handler = log_handler(stream, environment)
        for level, text in ((logging.ERROR, "two\nlines"), (logging.INFO, "one")):
            handler.emit(logging.LogRecord("edge.x", level, "", 0, text, None, None))
    lines = (tmp_path / "log").read_text().splitlines()
    assert lines == (
        ["<3>edge.x: two", "<3>lines", "<6>edge.x: one"]
        if journald
        else ["ERROR edge.x: two", "lines", "INFO edge.x: one"]
    )


def test_a_stream_without_a_file_is_not_journald() -> None:
    assert not is_journald(io.StringIO(), {"JOURNAL_STREAM": "1:2"})
