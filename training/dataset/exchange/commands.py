"""`sorter dataset import` and `sorter dataset export`."""

from __future__ import annotations

import functools
import json
import shlex
from pathlib import Path
from typing import Annotated, Any

import typer

from edge.errors import ConfigError
from edge.system.output import say
from training.loading import disk_full_is_said, load, make_folder
from training.progress import progress

QUICK_S = 20.0
READING = "reading the photos"


def import_dataset(  # noqa: PLR0913  (one argument an option)
    given: Annotated[
        Path,
        typer.Argument(metavar="FROM", help="A folder, a .zip, or a file of labels (.json, .csv, .txt, .xml, .yaml)."),
    ],
    into: Annotated[Path, typer.Option(help="The data set: a folder with one folder a source.")],
    source: Annotated[
        str, typer.Option(help="Name of the source that it becomes [default: FROM's name; for stations, theirs].")
    ] = "",
    format: Annotated[  # noqa: A002
        str, typer.Option(help="folders, csv, coco, yolo, label-studio, voc or labelled [default: what it looks like].")
    ] = "",
    pictures: Annotated[
        Path | None, typer.Option(help="Folder of the pictures, if they are not with the labels.")
    ] = None,
    label_map: Annotated[
        list[str] | None, typer.Option("--map", help="THEIRS=OURS; THEIRS= leaves a class out. May be given often.")
    ] = None,
    map_file: Annotated[Path | None, typer.Option(help='A .toml file of "THEIRS" = "OURS" lines.')] = None,
    only: Annotated[bool, typer.Option(help="Leave out every class that is not mapped.")] = False,
    new_labels: Annotated[
        bool, typer.Option(help="Take classes that the data set has no label for as new labels.")
    ] = False,
    margin: Annotated[
        float,
        typer.Option(min=0.0, max=2.0, help="Surroundings of a box, each side, as a fraction of its longer side."),
    ] = 0.15,
    smallest: Annotated[int, typer.Option(min=1, help="Boxes with a shorter side, pixels, are left out.")] = 16,
    licence: Annotated[str, typer.Option(help="Licence of the photos [default: what FROM says].")] = "",
    origin: Annotated[str, typer.Option(help="Where they are from, such as a URL [default: what FROM says].")] = "",
    merge: Annotated[bool, typer.Option(help="Add to a source that is there.")] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Import labelled pictures as a source of their own: crops cut from boxes, turned upright, never twice."""
    classes = load("training.dataset.exchange.classes")
    importing, making = load("training.dataset.exchange.importing"), load("training.dataset.exchange.making")
    named = classes.read_map(label_map or [], map_file, only=only, new_labels=new_labels)
    options = making.ImportOptions(
        source, format, pictures, named, margin, smallest, licence.strip(), origin.strip(), merge
    )
    if source:
        load("training.dataset.exchange.source").check_source_name(source)
    make_folder(into, "--into")
    with progress(QUICK_S) as show, disk_full_is_said(into):
        done = importing.import_into(into, given, options, functools.partial(show, READING))
    if as_json:
        say(json.dumps(_as_tree(done), indent=2))
    else:
        _tell(done, into)


def _as_tree(done: Any) -> dict[str, Any]:
    return {
        "format": done.format,
        "sources": {name: dict(sorted(counts.items())) for name, counts in done.counts.items()},
        "there_before": done.there_before,
        "licence": done.licence or None,
        "renamed": done.renamed,
        "passed_over": dict(done.passed_over.places),
    }


def _tell(done: Any, into: Path) -> None:
    for name, counts in done.counts.items():
        labels = ", ".join(f"{label} {count}" for label, count in sorted(counts.items())) or "nothing new"
        say(f"{into / name}: {counts.total()} photos imported ({labels})")
    if done.there_before:
        say(f"{done.there_before} were there already")
    if done.renamed:
        say("read as: " + ", ".join(f"{theirs} as {ours}" for theirs, ours in sorted(done.renamed.items())), err=True)
    for line in done.passed_over.lines():
        say(line, err=True)
    if not done.licence:
        say("no licence is stated: say it with --licence, or in source.toml, before the photos train a model", err=True)
    first = next(iter(done.counts))
    say(f"Next: {shlex.join(['sorter', 'dataset', 'inspect', str(into / first)])}")


def export_dataset(
    data: Annotated[Path, typer.Argument(help="A source of a data set, a LABEL/PHOTO tree, or a .txt or .csv list.")],
    format: Annotated[str, typer.Option(help="folders, csv, coco, yolo or label-studio.")],  # noqa: A002
    out: Annotated[Path, typer.Option(help="A new folder.")],
) -> None:
    """Export photos, their labels and boxes for another tool."""
    exporting = load("training.dataset.exchange.exporting")
    photos = load("training.dataset.photos").read_photos(data)
    if not out.name:
        raise ConfigError(f"--out {out}: give a new folder")
    make_folder(out.parent, "--out")
    with progress(QUICK_S) as show, disk_full_is_said(out.parent):
        done = exporting.export(photos, out, format, functools.partial(show, READING))
    labels = ", ".join(f"{label} {count}" for label, count in sorted(done.counts.items()))
    say(f"{out}: {done.counts.total()} photos exported as {format} ({labels})")
    for line in done.passed_over.lines():
        say(line, err=True)
