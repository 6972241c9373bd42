"""How `sorter teach` learns from pictures and tells what came of it; the same for pictures of any origin."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from rich.progress import Progress
from rich.table import Table

from edge.bundle.archive import Bundle
from edge.inference.interpreter import open_interpreter
from edge.system.output import say
from edge.system.terminal import Terminal
from edge.teaching.learning import Learnt, learn
from edge.teaching.pictures import Picture, Seen, look
from edge.teaching.report import advice, counted
from edge.teaching.scoring import Share


def study(base: Bundle, pictures: Sequence[Picture], purity: float, *, quiet: bool) -> tuple[Seen, Learnt]:
    """Look at the pictures, learn from them, and judge on what was not learnt from; bars on stderr show how far it is."""
    with Progress(console=Terminal(stderr=True), transient=True, disable=quiet) as bar:
        looking = bar.add_task(f"Looking at {len(pictures)} pictures", total=1.0)
        seen = look(base, open_interpreter(base), pictures, lambda share: bar.update(looking, completed=share))
        learning = bar.add_task("Learning, and judging on what was not learnt from", total=1.0)
        learnt = learn(base, seen.lessons, purity, lambda share: bar.update(learning, completed=share))
    return seen, learnt


def print_tables(base: Bundle, seen: Seen, learnt: Learnt) -> None:
    """Print what the head is worth, before and after, with what would make it better."""
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
    before, after = learnt.kept.before[""], learnt.kept.after[""]
    if before.count:
        say(
            f"Of {before.count} pictures from the base's memory {_percent(before)} were named rightly, now {_percent(after)}."
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
