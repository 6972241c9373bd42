"""What `sorter stats --purity` prints: each bin's purity with its interval, or how many labels are missing."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.table import Table

from edge.config import load_station
from edge.errors import ConfigError
from edge.labelling.labels import read_labels
from edge.stats.purity import BinPurity, Purity, judge, read_labels_of
from edge.system.output import complain, say
from edge.system.terminal import Terminal

MODEL_CHARACTERS = 12  # of a bundle's digest


def show_purity(journals: Mapping[str, Path], station: Path, folder: Path | None, *, as_json: bool) -> None:
    """Print what is known of every station's bins.

    Raises:
        ConfigError: there is no station file, which says what belongs where, or it can't be used.
        JournalError: a journal can't be read.
    """
    if not station.exists():
        raise ConfigError(f"{station}: no such file; --station names the file that says which labels belong in a bin")
    bins = load_station(station).bins
    answers = []
    for name, path in journals.items():
        labels = read_labels_of(path) if folder is None else read_labels(folder)
        for line in labels.damaged:
            complain(f"{line}: passed over")
        purity = judge(path, bins, labels)
        if as_json:
            answers.append({"station": name, "model": purity.model, "bins": _rows(purity)})
        else:
            _print(name, purity, folder or path.parent / "pictures")
    if as_json:
        say(json.dumps(answers, indent=2))


def _rows(purity: Purity) -> list[dict[str, Any]]:
    return [
        {
            "bin": one.bin,
            "model": one.model,
            "is_present_model": one.model == purity.model,
            "purity": one.share,
            "low": one.interval[0] if one.labelled else None,
            "high": one.interval[1] if one.labelled else None,
            "labelled": one.labelled,
            "right": one.right,
            "kept": one.kept,
            "unlabelled": one.unlabelled,
            "missing": one.missing,
            "first": _instant(one.first),
            "last": _instant(one.last),
        }
        for one in (*purity.present, *purity.before)
    ]


def _print(station: str, purity: Purity, pictures: Path) -> None:
    model = f"model {purity.model[:MODEL_CHARACTERS]}" if purity.model else "no model has sorted here yet"
    _print_bins(f"{station}: purity seen, {model}", purity.present)
    for one in purity.present:
        if one.missing:
            say(_what_is_missing(one, pictures))
        elif one.unlabelled:
            say(
                f"{one.bin}: {one.unlabelled} of {one.kept} random pictures are not labelled yet: those left out may be the "
                f"hard ones: {_command(pictures)}"
            )
    for digest in dict.fromkeys(one.model for one in purity.before):
        bins = [one for one in purity.before if one.model == digest]
        _print_bins(f"before, model {digest[:MODEL_CHARACTERS] or 'unknown'}", bins)


def _print_bins(title: str, bins: Sequence[BinPurity]) -> None:
    table = Table("bin", title=title, title_justify="left")
    for head in ("purity", "95 % interval", "right", "labelled", "kept by chance"):
        table.add_column(head, justify="right")
    table.add_column("from", no_wrap=True)
    table.add_column("to", no_wrap=True)
    for one in bins:
        low, high = one.interval
        share = ["-", "-"] if one.share is None else [f"{one.share:.1%}", f"{low:.1%} to {high:.1%}"]
        table.add_row(
            one.bin, *share, str(one.right), str(one.labelled), str(one.kept), _date(one.first), _date(one.last)
        )
    Terminal().print(table)


def _what_is_missing(one: BinPurity, pictures: Path) -> str:
    waiting = one.unlabelled
    command = _command(pictures)
    if waiting >= one.missing:
        return f"{one.bin}: too few to tell; label {one.missing} more of its random pictures: {command}"
    rest = f"{one.missing - waiting} more have to be kept (journal.random_share in the station file says how many are)"
    return f"{one.bin}: too few to tell; {f'label the {waiting} that wait: {command}, and ' if waiting else ''}{rest}"


def _command(pictures: Path) -> str:
    return f"sorter label {shlex.quote(str(pictures))} --random"


def _date(wall_time: float | None) -> str:
    return "" if wall_time is None else datetime.fromtimestamp(wall_time).astimezone().strftime("%Y-%m-%d")


def _instant(wall_time: float | None) -> str | None:
    return None if wall_time is None else datetime.fromtimestamp(wall_time, UTC).isoformat(timespec="seconds")
