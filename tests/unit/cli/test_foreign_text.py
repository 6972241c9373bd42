"""What each command prints of a device, a file, a journal or a bundle is text, whatever is in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from contextlib import redirect_stderr, redirect_stdout
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from support.stations import BIN, write_station
from typer.testing import CliRunner

from converter.fleet.inventory import Host
from converter.fleet.pull import PullResult
from converter.fleet.push import HostResult, State
from converter.pull_command import _print_table as print_pulled
from converter.push_command import _Board
from edge.bundle.archive import Bundle, open_bundle
from edge.cli import root
from edge.cli.commands import doctor
from edge.cli.commands.check import _print as print_check
from edge.cli.commands.journal import _print_rows as print_rows
from edge.cli.commands.model import _print_comparison
from edge.inference.classifier import shipped_bundle_path
from edge.journal.reading import EventRecord, ItemRecord
from edge.models.shadow import Comparison, ShadowSample
from edge.tools.check.check import Report
from edge.tools.check.findings import Finding
from edge.tools.check.problems import Problem

BUNDLE: Bundle = open_bundle(shipped_bundle_path())

foreign = st.text(
    alphabet=st.one_of(st.characters(), st.sampled_from("\x1b\x07\x08\r\t\x7f\x9b\u202e\u2066\u200b\u2028[]/\\: abc")),
    max_size=40,
)


def check(text: str) -> None:
    report = Report(Path(f"/{text}"))
    report.problems.append(Problem("error", text, text))
    print_check(report)


def doctors(text: str) -> None:
    doctor._print([Finding(text, "fail", text, text)])


def items(text: str) -> None:
    blank: dict[str, Any] = dict.fromkeys(ItemRecord._fields)
    words = dict.fromkeys(("label", "bin", "reason", "actuator", "outcome", "landed_in", "kept"), text)
    print_rows([ItemRecord(**{**blank, **words, "item": 1, "time": ""})])


def events(text: str) -> None:
    blank: dict[str, Any] = dict.fromkeys(EventRecord._fields, text)
    print_rows([EventRecord(**{**blank, "at": 1, "time": ""})])


def comparison(text: str) -> None:
    look = ShadowSample(item=1, label=text, score=1, sure=True, candidate_label=text, candidate_score=1, candidate_sure=True,
                candidate_ms=1, picture="x.jpg")  # fmt: skip
    _print_comparison(Comparison(1, 0, 1, 1, 1.0, Counter({(text, text): 1}), (look,)), Path(f"/{text}"), 5)


def pushed(text: str) -> None:
    host = Host(text, "h")
    board = _Board(BUNDLE, [host], quiet=False)
    board.show(HostResult(host, State.FAILED, note=text, error=text))
    board.print_end()


def pulled(text: str) -> None:
    print_pulled([PullResult(Host(text, "h"), Path(f"/{text}"), error=text)])


PRINTERS: list[Callable[[str], None]] = [check, doctors, items, events, comparison, pushed, pulled]


def printed(printer: Callable[[str], None], text: str) -> str:
    out = StringIO()
    with redirect_stdout(out), redirect_stderr(out):
        printer(text)
    return out.getvalue()


@pytest.mark.parametrize("printer", PRINTERS, ids=lambda printer: printer.__name__)
@settings(max_examples=30)
@given(text=foreign)
def test_nothing_that_is_printed_acts_on_a_terminal(printer: Callable[[str], None], text: str) -> None:
    assert all(line.isprintable() for line in printed(printer, text).split("\n"))


@pytest.mark.parametrize("printer", PRINTERS, ids=lambda printer: printer.__name__)
def test_markup_is_shown_as_it_was_written(printer: Callable[[str], None]) -> None:
    assert "[red]x[/]" in printed(printer, "[red]x[/]")


def test_a_model_that_boasts_in_colours_is_shown_in_plain_text(
    tmp_path: Path, tiny_bundle: Callable[..., bytes]
) -> None:
    boast = "\x1b[2J[bold green]trusted[/] \u202e"
    provenance = {
        "data_digest": "0" * 64,
        "run": boast,
        "packages": {boast: boast},
        "created": boast,
        "figures": {boast: 1.0},
    }
    (tmp_path / "model.sorter").write_bytes(tiny_bundle(provenance=provenance))
    station = write_station(tmp_path, BIN, state_folder="state", inference={"bundle": "model.sorter"})
    done = CliRunner().invoke(root, ["model", "show", "--station", str(station)], env={"COLUMNS": "200"})
    assert done.exit_code == 0, done.exception
    assert "\\x1b[2J[bold green]trusted[/] \\u202e" in done.stdout
    assert all(line.isprintable() for line in done.stdout.split("\n"))
