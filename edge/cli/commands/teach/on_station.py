"""`sorter teach` at a station: things are put through it, and what it learns from them is installed."""

from __future__ import annotations

import json
import logging
import os
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rich.table import Table

from edge.bundle.archive import Bundle, read_bundle
from edge.cli.commands.teach.report import print_tables, study
from edge.clock import SystemClock, VirtualClock, stamp_of
from edge.config import Station, load_station
from edge.config.calibration.overlay import apply_calibration, check_camera
from edge.config.calibration.recover import usable_calibration
from edge.errors import ConfigError, SorterError, TeachingError
from edge.system.logs import configure_logs
from edge.system.output import say
from edge.system.privileges import account_name, leave_root
from edge.system.processes import SystemRunner
from edge.system.signals import interrupted_by_signals
from edge.system.terminal import Terminal, styled
from edge.teaching.installing import base_for, check_labels, install, note_head, noted_heads, pack_for, present_instant
from edge.teaching.pictures import find_in_folders
from edge.teaching.plan import Wanted, check_chosen, plan_for, purity_for
from edge.teaching.report import as_tree
from edge.teaching.shown import ShownItems
from edge.teaching.turns import teaching_claimed
from edge.tools.calibrate.operator.console import ConsoleOperator
from edge.tools.calibrate.operator.operator import Operator, SimulatedOperator
from edge.tools.calibrate.rig import open_rig
from edge.tools.calibrate.service_pause import folder_claimed, service_paused
from edge.tools.teach.showing import Showing

LESSON_STATION = Path(__file__).resolve().parents[3] / "stations" / "teach.toml"
_LATER = "what was shown is kept, and `sorter teach` goes on there."
_NICE = 10  # sorting goes first


@dataclass(frozen=True)
class Place:
    """At which station, and how much is asked."""

    station: Path
    demo: bool
    state_folder: Path | None
    yes: bool
    as_json: bool

    def load(self) -> Station:
        settings = load_station(LESSON_STATION if self.demo else self.station)
        return (
            settings if self.state_folder is None else settings.with_values(state_folder=self.state_folder.absolute())
        )


@dataclass(frozen=True)
class Wishes:
    """What is taught, on which base, and how pure the bins shall be."""

    bundle: Path | None
    purity: float | None
    labels: tuple[str, ...]
    items: int


def teach(place: Place, wishes: Wishes) -> None:
    """Show, learn, tell, and install; every way out leaves the hardware safe and given back."""
    configure_logs(logging.WARNING)
    console = Terminal(stderr=place.as_json, quiet=place.as_json, highlight=False)
    station = place.load()
    shown = ShownItems(station.state_folder)
    operator = ConsoleOperator(console, hurry=place.yes or place.as_json)
    with ExitStack() as whole:
        whole.enter_context(interrupted_by_signals())
        with ExitStack() as looking:
            plan = plan_for(station, shown, wishes.labels, wishes.items)
            if plan and station.camera.is_live:
                looking.enter_context(service_paused(SystemRunner(), lambda text: console.print(text)))
            leave_root(station.state_folder)
            base = base_for(station, wishes.bundle)
            check_chosen(station, base, wishes.labels)
            whole.enter_context(teaching_claimed(station.state_folder))
            if plan and station.camera.is_live:
                looking.enter_context(folder_claimed(station.state_folder))
            _tell_before(station, base, plan, console)
            if plan and not _show(station, base, shown, operator, plan):
                console.print(f"Stopped: {_LATER}", soft_wrap=True)
                return
        if station.camera.is_live:
            os.nice(_NICE)
        _learn(station, base, shown, operator, place, purity_for(station, wishes.purity))


def _tell_before(station: Station, base: Bundle, plan: Sequence[Wanted], console: Terminal) -> None:
    console.print(f"{station.name} is taught on {base.manifest.title}; nothing is fired meanwhile.", soft_wrap=True)
    if station.inference.bundle is not None:
        told = f" the station file names {station.inference.bundle} (inference.bundle): remove that line, or nothing can be installed."
        console.print(styled("Careful:", "bold yellow", told), soft_wrap=True)
    if not plan:
        console.print("Everything was shown before; --items asks for more.", soft_wrap=True)


def _show(station: Station, base: Bundle, shown: ShownItems, operator: ConsoleOperator, plan: Sequence[Wanted]) -> bool:
    calibration, clock = usable_calibration(station), SystemClock()
    calibrated = apply_calibration(station, calibration)
    try:
        with open_rig(calibrated, VirtualClock() if station.camera.is_simulated else clock) as rig:
            if not station.camera.is_simulated:
                check_camera(calibration, rig.identity)
            person: Operator = operator
            if rig.world is not None:
                operator.say("A simulated station: things come by themselves, once you press Enter.")
                person = SimulatedOperator(rig.world, operator)
            stamp = lambda: stamp_of(clock.wall_time())  # noqa: E731
            return Showing(rig, person, shown, base.manifest.geometry, stamp).run(plan)
    except (SorterError, KeyboardInterrupt):
        operator.say(f"Stopped: {_LATER}")
        raise


def _learn(
    station: Station, base: Bundle, shown: ShownItems, operator: ConsoleOperator, place: Place, purity: float
) -> None:
    labels = shown.labels()
    if not labels:
        raise TeachingError(
            "nothing was shown yet, so there is nothing to learn from: run `sorter teach` without --items 0"
        )
    check_labels(station, base, set(labels))
    seen, learnt = study(base, find_in_folders(shown.folder), purity, quiet=place.as_json)
    answer: dict[str, Any] = {"station": station.name, "base": base.manifest.title, **as_tree(seen, learnt)}
    if not place.as_json:
        print_tables(base, seen, learnt)
    if learnt.refusal:
        _answer(place, {**answer, "installed": None})
        raise TeachingError(f"nothing is installed: {learnt.refusal}; {_LATER}")
    if not place.yes and not _is_wanted(operator, place):
        _answer(place, {**answer, "installed": None})
        return
    by, at = account_name(), present_instant()
    content = pack_for(station, base, seen.lessons, learnt, (by, at))
    made = read_bundle(content, "the taught head")
    version = made.manifest.version
    generation = install(station, base, content)
    note_head(station, version, {"version": version, "digest": made.digest, "by": by, "at": at, **answer})
    _answer(place, {**answer, "installed": made.manifest.title, "digest": made.digest})
    if not place.as_json:
        probation = ", on probation" if generation.probation else ""
        say(
            f"Installed: {made.manifest.title} ({made.digest[:12]}){probation}. A station that runs changes over by itself; "
            "`sorter model rollback` comes back to the model before."
        )


def _is_wanted(operator: ConsoleOperator, place: Place) -> bool:
    if operator.is_there and operator.choose("Install it?", ("install it", "not now")) == "install it":
        return True
    if not place.as_json:
        say(f"Nothing is installed; {_LATER}")
    return False


def _answer(place: Place, answer: dict[str, Any]) -> None:
    if place.as_json:
        say(json.dumps(answer, indent=1))


def show(place: Place) -> None:
    """Print what was shown, and the heads that came of it."""
    station = place.load()
    leave_root(station.state_folder)
    shown, heads = ShownItems(station.state_folder).labels(), noted_heads(station)
    if place.as_json:
        labels = {name: vars(label) for name, label in shown.items()}
        say(json.dumps({"station": station.name, "labels": labels, "heads": heads}, indent=1))
        return
    table = Table(
        "label", "items", "pictures", "first", "last (UTC)", title=f"Shown to {station.name}", title_justify="left"
    )
    for name, label in shown.items():
        table.add_row(name, str(label.items), str(label.pictures), label.first, label.last)
    taught = Table("head", "taught", "by", "digest", title="What came of it", title_justify="left")
    for head in heads:
        taught.add_row(*(str(head.get(key, "")) for key in ("version", "at", "by")), str(head["digest"])[:12])
    if not shown:
        say(f"Nothing was shown to {station.name} yet: `sorter teach` does it.")
    for one in (table, taught):
        if one.row_count:
            Terminal().print(one)


def forget(place: Place, label: str) -> None:
    """Remove the pictures of a label, once it is sure that this is wanted."""
    station = place.load()
    leave_root(station.state_folder)
    operator = ConsoleOperator(Terminal(highlight=False), hurry=place.yes or place.as_json)
    shown = ShownItems(station.state_folder)
    with teaching_claimed(station.state_folder):
        count = known.items if (known := shown.labels().get(label)) else 0
        if count and not place.yes:
            if not operator.is_there:
                raise ConfigError(f"--forget {label}: nobody is there to answer: run it at a terminal, or with --yes")
            if (
                operator.choose(f"Forget {count} items of {label}? They are not learnt from any more.", ("no", "yes"))
                == "no"
            ):
                say("Nothing was removed.")
                return
        shown.forget(label)
    say(
        f"Forgotten: {count} items of {label}. The head that is in use still knows them; `sorter teach --items 0` makes the next one."
    )
