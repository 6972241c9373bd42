"""What a person does at a running station, from outside: the phases of its work that the power is cut off in."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import httpx
from support.pi.service.promises import Chronicle, Item, Promised

from edge.bundle.archive import open_bundle

PATIENCE_S = 400.0
Answer = TypeVar("Answer")


def until(
    holds: Callable[[], Answer | None], what: str, patience_s: float = PATIENCE_S, every_s: float = 0.5
) -> Answer:
    """Look again and again, since an emulated machine tells nobody of its own accord; what was found."""
    deadline = time.monotonic() + patience_s
    while True:
        if found := holds():
            return found
        assert time.monotonic() < deadline, f"not within {patience_s:.0f} s: {what}"
        time.sleep(every_s)


@dataclass
class AtWork:
    """A running station as a workstation reaches it.

    Args:
        page: asks its page with the station's token.
        push: sends a model with `sorter push`, and puts it to work if that is wanted.
        command: runs `sorter` with these arguments on the station.
    """

    page: httpx.Client
    push: Callable[[Path, bool], object]
    command: Callable[..., str]

    def items(self) -> frozenset[Item]:
        """The newest items that a reader of the journal finds, which are stored therefore."""
        answer = self.page.get("/api/search", params={"limit": 50})
        return frozenset((found["run"], found["item"]) for found in answer.raise_for_status().json()["items"])

    def ask(self, path: str, **asked: Any) -> dict[str, Any]:
        answer = self.page.post(path, json=asked)
        assert answer.status_code == 200, answer.text
        return dict(answer.json())


def sort(station: AtWork, chronicle: Chronicle, items: int) -> None:
    """Sort, with a stop by a person in the middle."""
    seen: frozenset[Item] = frozenset()

    def enough(count: int) -> bool:
        nonlocal seen
        seen |= (new := station.items())
        chronicle.promise(Promised(items=new))
        return len(seen) >= count

    until(lambda: enough(items // 2), "so many items are stored")
    for done, what in enumerate(("pause", "resume"), 1):
        chronicle.promise(Promised(pauses=(done - 1, done)))
        station.command(what)
        chronicle.promise(Promised(pauses=(done, done)))
    before = len(seen)
    until(lambda: enough(before + items // 2), "so many items are stored again")


def install(station: AtWork, chronicle: Chronicle, models: list[Path]) -> None:
    """Install models without putting them to work."""
    for model in models:
        station.push(model, False)
        chronicle.promise(Promised(installed=frozenset({open_bundle(model).digest})))


def activate(station: AtWork, chronicle: Chronicle, models: list[Path]) -> None:
    """Put installed models to work one after the other, and go back."""

    def promise() -> int:
        told = station.page.get("/api/models").raise_for_status().json()
        chronicle.promise(Promised(active=(told["generation"], told["current"])))
        return int(told["generation"])

    def went_back() -> bool:
        # On a machine that is slow enough the station itself may have gone back meanwhile.
        return station.page.post("/roll-back", json={"generation": promise()}).status_code == 200

    promise()
    for model in models:
        station.push(model, True)
        promise()
    until(went_back, "it goes back to the model before")
    promise()


def teach(station: AtWork, chronicle: Chronicle, labels: list[str], things: int) -> None:
    """Show things of each label; the station is left stopped."""
    mark = ""
    done = chronicle.promised(chronicle.record.settled()).pauses[0]
    chronicle.promise(Promised(pauses=(done, done + 1)))

    def counted(label: str, count: int) -> bool:
        answer = station.page.get("/api/teach", params={"mark": mark}).json()
        shown = {told["label"]: told["items"] for told in answer["labels"]}
        chronicle.promise(Promised(shown=shown))
        return bool(shown.get(label, 0) >= count)

    def begun(label: str) -> str:
        # Where the processor is too slow for the belt the station is in a fault for a while, and can't be taught.
        answer = station.page.post("/teach/begin", json={"label": label})
        return str(answer.json()["mark"]) if answer.status_code == 200 else ""

    for label in labels:
        if mark:
            station.ask("/teach/choose", label=label, mark=mark)
        else:
            mark = until(lambda label=label: begun(label), "it can be taught")  # type: ignore[misc]
        until(lambda label=label: counted(label, things), f"{things} things of {label} were shown")  # type: ignore[misc]
    station.ask("/teach/end")
