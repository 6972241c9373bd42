"""`sorter teach`: a head for this place, from pictures of what comes by here."""

from __future__ import annotations

import json
import re
import socket
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.progress import Progress
from rich.table import Table

from edge.bundle.archive import Bundle, open_bundle
from edge.bundle.signature import load_private_key
from edge.bundle.taught import check_can_be_taught
from edge.clock import SystemClock
from edge.errors import ConfigError, TeachingError
from edge.inference.classifier import shipped_bundle_path
from edge.inference.interpreter import open_interpreter
from edge.system.files import write_atomically
from edge.system.output import say, silence_native_logs
from edge.system.privileges import account_name, leave_root
from edge.system.terminal import Terminal
from edge.teaching.learning import Learnt, learn
from edge.teaching.pictures import Seen, find_in_folders, find_labelled, look
from edge.teaching.report import advice, as_tree, counted
from edge.teaching.scoring import Share
from edge.teaching.taught import pack_taught


def command(
    photos: Annotated[
        Path | None, typer.Option(help="Pictures of single things: a folder that holds a folder for each label.")
    ] = None,
    labelled: Annotated[Path | None, typer.Option(help="A folder of pictures that `sorter label` was used on.")] = None,
    bundle: Annotated[
        Path | None, typer.Option(help="The base: model bundle NAME-VERSION.sorter; without it the one that ships.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option(help="Where the taught bundle is written; without it NAME-VERSION.sorter here.")
    ] = None,
    purity: Annotated[
        float, typer.Option(min=0.5, max=0.999, help="Share of right items that each bin should have.")
    ] = 0.95,
    name: Annotated[str | None, typer.Option(help="Name of the station; without it this machine's.")] = None,
    number: Annotated[int, typer.Option(min=1, max=999_999, help="Which head of this station it is.")] = 1,
    key: Annotated[Path | None, typer.Option(help="Private key that signs the bundle, see `sorter key`.")] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object instead of tables.")] = False,
) -> None:
    """Teach a model what things look like here: from pictures with labels comes a head of this place's own."""
    silence_native_logs()
    if (photos is None) == (labelled is None):
        raise ConfigError(
            "expected either --photos FOLDER or --labelled FOLDER: a folder a label, or labelled pictures"
        )
    folder = photos or labelled
    assert folder is not None
    leave_root((bundle or folder).absolute())
    base = open_bundle(bundle or shipped_bundle_path())
    check_can_be_taught(base)
    origin = (_station_name(name), number, account_name(), _now())
    pictures = find_in_folders(folder) if photos is not None else find_labelled(folder)
    signer = None if key is None else load_private_key(key)
    with Progress(console=Terminal(stderr=True), transient=True, disable=as_json) as bar:
        looking = bar.add_task(f"Looking at {len(pictures)} pictures", total=1.0)
        seen = look(base, open_interpreter(base), pictures, lambda share: bar.update(looking, completed=share))
        learning = bar.add_task("Learning, and judging on what was not learnt from", total=1.0)
        learnt = learn(base, seen.lessons, purity, lambda share: bar.update(learning, completed=share))
    _print_json(seen, learnt) if as_json else _print_tables(base, seen, learnt)
    if learnt.refusal:
        raise TeachingError(f"no bundle is written: {learnt.refusal}")
    content = pack_taught(base, seen.lessons, learnt, origin, signer)
    path = out or Path(f"{base.manifest.name}-{base.manifest.version}+{origin[0]}.{number}.sorter")
    try:
        write_atomically(path, content)
    except OSError as error:
        raise TeachingError(f"{path}: can't be written ({error.strerror}): give another place with --out") from None
    if not as_json:
        say(f"Written: {path} ({len(content)} bytes). Try it: sorter classify PHOTO --bundle {path}")


def _station_name(name: str | None) -> str:
    """The name as a version can hold it."""
    plain = re.sub(r"[^a-z0-9]+", "-", (name or socket.gethostname()).lower()).strip("-")[:32].rstrip("-")
    if not plain or (name is not None and plain != name):
        raise ConfigError(
            f"--name {name or plain!r}: expected small letters and digits, with - between them, such as line-1"
        )
    return plain


def _now() -> str:
    return datetime.fromtimestamp(SystemClock().wall_time(), UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def _print_json(seen: Seen, learnt: Learnt) -> None:
    say(json.dumps(as_tree(seen, learnt), indent=1))


def _print_tables(base: Bundle, seen: Seen, learnt: Learnt) -> None:
    terminal = Terminal()
    table = Table(
        "label", "items", "named rightly before", "after", "sorted rightly before", "after", "pure before", "after"
    )
    for label, items, _ in counted(seen.lessons):
        table.add_row(label, str(items), *_cells(learnt, label))
    table.add_row("all", "", *_cells(learnt, ""), style="bold")
    terminal.print(table)
    say(
        "Each item was judged by a head that had not seen it; in brackets what the true share may be (95 %). "
        "Sorted and pure: at the thresholds of the base, and at the new ones."
    )
    if learnt.memory_before.count:
        say(
            f"Of {learnt.memory_before.count} pictures from the base's memory {_percent(learnt.memory_before)} were named "
            f"rightly, now {_percent(learnt.memory_after)}."
        )
    else:
        say(f"{base.manifest.title} has no memory, so what it forgets can't be told.")
    for line in (*seen.unreadable, *seen.notes, *advice(seen.lessons, learnt)):
        say(f"- {line}")


def _cells(learnt: Learnt, label: str) -> list[str]:
    before, after = learnt.before.get(label), learnt.after.get(label)
    if before is None or after is None:
        return ["", "", "", "", "", ""]
    shares: list[Any] = [before.top1, after.top1, before.recovery, after.recovery, before.purity, after.purity]
    return [_with_interval(share) for share in shares]


def _with_interval(share: Share) -> str:
    if not share.count:
        return "none"
    low, high = share.interval
    return f"{_percent(share)} ({100 * low:.0f}-{100 * high:.0f})"


def _percent(share: Share) -> str:
    return f"{100 * share.value:.0f} %"
