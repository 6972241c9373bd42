"""One person labelling a folder: what is said so far, what to show next, and back again."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import islice
from pathlib import Path

from edge.clock import NS_PER_S
from edge.interfaces import Clock
from edge.labelling.labels import (
    MARKS,
    DamagedLine,
    LabelEntry,
    LabelsError,
    find_labels,
    is_disputed,
    is_own_labels_file,
    read_labels,
)
from edge.labelling.proposals import Proposals, Suggestion
from edge.labelling.writing import LabelsFile


@dataclass(frozen=True)
class Progress:
    """How far it is.

    Attributes:
        total: of the pictures that can be shown.
        labels: how many have each label, those of all people together.
        mine: how many have the label that this person gave.
        disputed: how many people label differently.
    """

    total: int
    labels: Mapping[str, int]
    mine: int
    disputed: int

    @property
    def labelled(self) -> int:
        return sum(self.labels.values())


@dataclass
class LabellingSession:
    """What the page asks and tells; it belongs to one thread. Other people may label the same folder at once.

    Args:
        labels: what may be said, in the order of their keys; labels that are in the folder already are added.

    Raises:
        LabelsError: this person's file can't be written.
    """

    proposals: Proposals
    by: str
    labels: Sequence[str]
    clock: Clock
    damaged: Sequence[DamagedLine] = field(default=(), init=False)
    _said: dict[str, Sequence[LabelEntry]] = field(default_factory=dict, init=False)
    _seen: Mapping[Path, tuple[int, int]] = field(default_factory=dict, init=False)
    _looked_at: int | None = field(default=None, init=False)
    _done: list[Mapping[str, str]] = field(default_factory=list, init=False)
    _start: int = field(default=0, init=False)
    _ahead: tuple[Sequence[str], Iterator[str]] | None = field(default=None, init=False)

    def __post_init__(self) -> None:
        self.pictures = self.proposals.pictures
        self._file = LabelsFile(self.pictures.folder, self.by)
        others = {path for path in find_labels(self.pictures.folder) if is_own_labels_file(path.name)}
        is_alone = others <= {self._file.path}
        self._file.append({}, self.clock.wall_time())
        self.look_again()
        if not is_alone:
            self._start = self._middle_of_what_is_left()

    @property
    def path(self) -> Path:
        """This person's file of labels."""
        return self._file.path

    # -- what is said ------------------------------------------------------------------------------------------

    def look_again(self, *, at_once: bool = False) -> None:
        """Take in what others have said meanwhile; not more than once a second but where it has to be at once."""
        now = self.clock.now()
        if self._looked_at is not None and now - self._looked_at < NS_PER_S and not at_once:
            return
        self._looked_at = now
        seen = {path: _state(path) for path in find_labels(self.pictures.folder)}
        if seen == self._seen:
            return
        labels = read_labels(self.pictures.folder, seen)
        self._said, self.damaged, self._seen = dict(labels.by_picture), labels.damaged, seen
        used = {entry.label for entry in labels.entries.values()} - {*self.labels, *MARKS}
        self.labels = (*self.labels, *sorted(used))

    def said_of(self, name: str) -> Sequence[LabelEntry]:
        """What each person says of a picture, what holds first."""
        return self._said.get(name, ())

    def looks_of(self, name: str) -> Sequence[str]:
        """The pictures of the same item of which the same holds, or nothing yet; this one is among them."""
        holds = [entry.label for entry in self.said_of(name)[:1]]
        return [look for look in self.pictures.looks(name) if [e.label for e in self.said_of(look)[:1]] == holds]

    def label(self, names: Sequence[str], label: str) -> None:
        """Say the same of all these pictures; empty: take back what this person said.

        Raises:
            LabelsError: one is no picture here, the label is none of those here, or it can't be saved; then none is labelled.
        """
        if unknown := [name for name in names if name not in self.pictures]:
            raise LabelsError(f"{unknown[0]}: no picture of this folder (any more)")
        if label and label not in (*self.labels, *MARKS):
            raise LabelsError(f"label {label!r}: expected one of {', '.join((*self.labels, *MARKS))}")
        before = {name: self._mine(name) for name in names}
        self._append(dict.fromkeys(names, label))
        self._done.append(before)

    @property
    def can_undo(self) -> bool:
        return bool(self._done)

    def undo(self) -> list[str]:
        """Say again what this person said before the last label; return the pictures, none if there is nothing to undo.

        Raises:
            LabelsError: it can't be saved.
        """
        if not self._done:
            return []
        self._append(self._done[-1])
        return list(self._done.pop())

    def _mine(self, name: str) -> str:
        return next((entry.label for entry in self.said_of(name) if entry.by == self.by), "")

    def _append(self, labels: Mapping[str, str]) -> None:
        self.look_again()
        wall_time = self.clock.wall_time()
        self._file.append(labels, wall_time)
        at = datetime.fromtimestamp(wall_time, UTC)
        for name, label in labels.items():
            others = [entry for entry in self.said_of(name) if entry.by != self.by]
            mine = [LabelEntry(name, label, self.by, at)] if label else []
            self._said[name] = [*mine, *others]
        self._seen = {**self._seen, self._file.path: _state(self._file.path)}

    def progress(self) -> Progress:
        """How far it is."""
        names = self.pictures.names
        said = [entries for name in names if (entries := self.said_of(name))]
        return Progress(
            total=len(names) - len(self.pictures.unusable.keys() & set(names)),
            labels=Counter(entries[0].label for entries in said),
            mine=sum(entries[0].by == self.by for entries in said),
            disputed=sum(map(is_disputed, said)),
        )

    # -- what to show ------------------------------------------------------------------------------------------

    def next_after(self, name: str | None) -> str | None:
        """The next picture without a label after this one, from the beginning again at the end; None: all have one.

        One that was not looked at yet may turn out to be unusable; then ask again.
        """
        return next(self._unlabelled_after(name), None)

    def alike(self, name: str | None, count: int) -> list[str]:
        """Pictures without a label that look like this one; without one like the next, which then is the first of them.

        Those that were not looked at yet come last, in their order, and may turn out to be unusable.
        """
        name = name if name is not None and name in self.pictures else self.next_after(None)
        if name is None:
            return []
        left = dict.fromkeys(self._unlabelled_after(name))
        found = [name] if name in left else []
        found += self.proposals.alike(name, left, count - len(found))
        rest = (other for other in left if other not in self.proposals and other != name)
        return [*found, *islice(rest, count - len(found))]

    def labelled_as(self, label: str) -> list[str]:
        """The pictures that have this label, in their order."""
        return [name for name in self.pictures.names if (said := self.said_of(name)) and said[0].label == label]

    def disputed(self) -> list[str]:
        """The pictures that people label differently, in their order."""
        return [name for name in self.pictures.names if is_disputed(self.said_of(name))]

    def suggest(self, name: str) -> list[Suggestion]:
        """What a picture may show, the likeliest first; nothing before it was looked at."""
        labelled = {other: said[0].label for other, said in self._said.items() if said and said[0].label in self.labels}
        return self.proposals.suggest(name, self.labels, labelled)

    def next_to_look_at(self) -> str | None:
        """A picture that was not looked at yet, those first that are shown first; each is named once, None: there is none."""
        names = self.pictures.names
        if self._ahead is None or self._ahead[0] is not names:  # pictures may have come
            self._ahead = names, iter(self._in_order(self._start))
        return next((name for name in self._ahead[1] if not self.proposals.is_settled(name)), None)

    def _in_order(self, start: int) -> Sequence[str]:
        return (*self.pictures.names[start:], *self.pictures.names[:start])

    def _unlabelled_after(self, name: str | None) -> Iterator[str]:
        start = self._start if name is None or name not in self.pictures else self.pictures.number(name) + 1
        unusable = self.pictures.unusable
        return (other for other in self._in_order(start) if not self.said_of(other) and other not in unusable)

    def _middle_of_what_is_left(self) -> int:
        """Where somebody begins who is not alone: in the middle of the longest stretch that has no labels yet."""
        start, longest = 0, range(0)
        for number, name in enumerate((*self.pictures.names, "")):
            if not name or self.said_of(name):
                longest = max(longest, range(start, number), key=len)
                start = number + 1
        return longest[len(longest) // 2] if longest else 0


def _state(path: Path) -> tuple[int, int]:
    """What changes when a file does."""
    try:
        status = path.lstat()
    except OSError:
        return 0, 0
    return status.st_size, status.st_mtime_ns
