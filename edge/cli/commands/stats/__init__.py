"""`sorter stats`: how many items, by what is asked for, and how pure the bins are; works while the sorter is running."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from edge.cli.journals import FolderOption, SinceOption, UntilOption, find_journal, parse_instant
from edge.cli.options import DEFAULT_STATION, StationOption
from edge.clock import SystemClock
from edge.config import load_station
from edge.errors import ConfigError, JournalError
from edge.stats.counts import By, Key, Selection, count_items
from edge.system.output import say
from edge.types import Reason

DEFAULT_BY = [By.BIN, By.REASON, By.LABEL]


def command(
    by: Annotated[
        list[By] | None,
        typer.Option("--by", help="Count by this; repeated: by each of them. Unset: bin, reason, label."),
    ] = None,
    since: SinceOption = None,
    until: UntilOption = None,
    bin_name: Annotated[str | None, typer.Option("--bin", help="Only items for this bin.")] = None,
    label: Annotated[str | None, typer.Option(help="Only items with this label.")] = None,
    reason: Annotated[Reason | None, typer.Option(help="Only items with this reason.")] = None,
    purity: Annotated[
        bool, typer.Option("--purity", help="Each bin's purity, by the labelled pictures of items that chance chose.")
    ] = False,
    labels: Annotated[
        Path | None, typer.Option(help="Folder with files of labels; unset: the journal's own, with its pictures.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
    csv_file: Annotated[
        Path | None, typer.Option("--csv", help="Write CSV to this file instead; - is standard output.")
    ] = None,
    png_file: Annotated[
        Path | None, typer.Option("--png", help="Draw them to this file instead: over time if --by has hour or day.")
    ] = None,
    station: StationOption = DEFAULT_STATION,
    state_folder: FolderOption = None,
    files: Annotated[
        list[Path] | None, typer.Option("--file", help="This journal file, such as a copy; may be repeated.")
    ] = None,
) -> None:
    """Count the items of one station or many, in whole hours, or tell how pure the bins are."""
    journals = find_journals(station, state_folder, files or [])
    if purity:
        from edge.cli.commands.stats.purity import show_purity

        if by or since or until or bin_name or label or reason or csv_file or png_file:
            raise ConfigError("--purity goes with --labels, --json, --station, --state-folder and --file alone")
        show_purity(journals, station, labels, as_json=as_json)
        return
    if labels is not None:
        raise ConfigError("--labels goes with --purity: counting items needs no labels")
    _check_outputs(as_json, csv_file, png_file)
    now = SystemClock().wall_time()
    begins, ends = (None if text is None else parse_instant(text, now) for text in (since, until))
    selection = Selection(begins, ends, bin_name, label, None if reason is None else reason.value)
    chosen = list(dict.fromkeys(by or ([By.STATION] if len(journals) > 1 else []) + DEFAULT_BY))
    counts = count_items(journals, chosen, selection)
    if png_file is not None:
        _draw(png_file, chosen, counts, selection)
    else:
        _show(chosen, counts, selection, csv_file, as_json=as_json)


def find_journals(station: Path, state_folder: Path | None, files: list[Path]) -> Mapping[str, Path]:
    """Return the journals that the options mean by the names of their stations: `sorter pull` has a folder for each.

    Raises:
        ConfigError: the station file can't be used.
    """
    if not files:
        name = state_folder.absolute().name if state_folder is not None else None
        path = find_journal(station, state_folder, None)
        return {name or load_station(station).name: path}
    paths = [find_journal(station, state_folder, file) for file in dict.fromkeys(files)]
    names = [path.absolute().parent.name if path.name == "journal.db" else path.stem for path in paths]
    times = Counter(names)
    return {(name if times[name] == 1 else str(path)): path for name, path in zip(names, paths, strict=True)}


def _check_outputs(*outputs: object) -> None:
    if sum(map(bool, outputs)) > 1:
        raise ConfigError("--json, --csv and --png don't go together: choose one")


def _show(by: list[By], counts: Counter[Key], selection: Selection, csv_file: Path | None, *, as_json: bool) -> None:
    if csv_file is not None:
        _write_csv(csv_file, by, counts)
    elif as_json:
        rows = [{**dict(zip(by, key, strict=True)), "items": items} for key, items in sorted(counts.items())]
        say(json.dumps({"items": counts.total(), "counts": rows}, indent=2, ensure_ascii=False))
    else:
        from edge.cli.commands.stats.tables import print_counts

        print_counts(by, counts, selection)


def _draw(target: Path, by: list[By], counts: Counter[Key], selection: Selection) -> None:
    from edge.cli.commands.stats.picture import write_picture
    from edge.cli.commands.stats.tables import title_of

    if not counts.total():
        say(f"{title_of(counts, selection)}: no picture written")
        return
    write_picture(target, by, counts, title_of(counts, selection))
    say(f"{title_of(counts, selection)}: drawn to {target}")


def _write_csv(target: Path, by: list[By], counts: Counter[Key]) -> None:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow([*by, "items"])
    writer.writerows([*key, items] for key, items in sorted(counts.items()))
    if str(target) == "-":
        sys.stdout.write(text.getvalue())
        return
    try:
        target.write_text(text.getvalue(), encoding="utf-8")
    except OSError as error:
        raise JournalError(f"{target}: can't be written: {error.strerror or error}") from None
    say(f"{len(counts)} rows written to {target}")
