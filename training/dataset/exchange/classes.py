"""Which of our labels each of their classes is."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from edge.bundle.manifest import LABEL
from edge.bundle.photo_tree import as_label
from edge.errors import ConfigError, DatasetError
from edge.system.text import NotTextError
from edge.system.toml import load_toml
from training.dataset.naming import label_advice


@dataclass(frozen=True)
class ClassMap:
    """`named` is theirs to ours, with an empty one for classes to leave out.

    Attributes:
        asked: those of `named` that have to be there; a file of all classes that ever were may name more.
        only: leave out what is not named.
        new_labels: take what is neither named nor a label of the data set as a label of its own.
    """

    named: Mapping[str, str] = field(default_factory=dict)
    asked: Collection[str] = ()
    only: bool = False
    new_labels: bool = False

    def labels(
        self, counts: Mapping[str, int], known: Collection[str], listed: Collection[str] = ()
    ) -> dict[str, str | None]:
        """The label of each class, None for those to leave out.

        `counts` says how often each is used, `known` are the labels of the data set; `listed` classes may be mapped too,
        though no picture is of them.

        Raises:
            ConfigError: the map names a class that is not there.
            DatasetError: classes are no label of the data set; all of them are listed.
        """
        self._check_named({*counts, *listed})
        result: dict[str, str | None] = {}
        unknown = []
        for name in sorted(counts):
            given = _find(self.named, name)
            plain = as_label(name)
            if given is not None:
                result[name] = given or None
            elif self.only:
                result[name] = None
            elif plain and (plain in known or self.new_labels or not known):
                result[name] = plain
            else:
                unknown.append(name)
        if unknown:
            raise DatasetError(self._about(unknown, counts, known))
        return result

    def _check_named(self, names: Collection[str]) -> None:
        strange = [asked for asked in self.asked if not any(_find({asked: ""}, name) == "" for name in names)]
        if strange:
            lines = [f"  {name!r}{_meant(name, names)}" for name in strange]
            expected = ", ".join(repr(name) for name in sorted(names))
            raise ConfigError("\n".join(["--map: there are no such classes:", *lines, f"there are {expected}"]))

    def _about(self, unknown: Iterable[str], counts: Mapping[str, int], known: Collection[str]) -> str:
        theirs = [f"  {name!r} ({counts[name]} times){_meant(as_label(name), known)}" for name in unknown]
        labels = f"labels of the data set ({', '.join(sorted(known))})" if known else "labels"
        first = next(iter(unknown))
        return "\n".join(
            [
                f"{len(theirs)} of the {len(counts)} classes are no {labels}:",
                *theirs,
                f"Say what each is with --map '{first}=LABEL', leave it out with --map '{first}=', or write all into a "
                "file for --map-file; --only leaves out all that is not named"
                + ("; --new-labels takes the others as new labels." if all(map(as_label, unknown)) else "."),
            ]
        )


def _meant(name: str, candidates: Iterable[str]) -> str:
    near = difflib.get_close_matches(name.casefold(), {one.casefold(): one for one in candidates}, 1)
    return f": did you mean {next(one for one in candidates if one.casefold() == near[0])}?" if near else ""


def _plain(name: str) -> str:
    return unicodedata.normalize("NFC", name)


def _find(named: Mapping[str, str], name: str) -> str | None:
    """What a class is mapped to: by its name as it is written, or else by one that makes the same label."""
    exact = {_plain(key): label for key, label in named.items()}
    alike = {as_label(key): label for key, label in named.items()}
    return exact.get(_plain(name), alike.get(as_label(name)) if as_label(name) else None)


def read_map(options: Iterable[str], file: Path | None, *, only: bool = False, new_labels: bool = False) -> ClassMap:
    """Theirs to ours, from a TOML file of `"Their name" = "ours"` lines and, before it, from THEIRS=OURS options.

    Raises:
        ConfigError: the file or an option is not like this, or ours is no label.
    """
    named = {} if file is None else _read_file(file)
    asked = []
    for option in options:
        theirs, equals, ours = option.rpartition("=")
        if not (theirs and equals):
            raise ConfigError(f"--map {option!r}: expected THEIRS=OURS, or THEIRS= to leave them out")
        named[theirs] = ours
        asked.append(theirs)
    for theirs, ours in named.items():
        if ours and not re.fullmatch(LABEL, ours):
            raise ConfigError(f"--map: {theirs!r} can't be {ours!r}: {label_advice(ours)}")
    return ClassMap(named, asked, only, new_labels)


def _read_file(file: Path) -> dict[str, str]:
    try:
        table = load_toml(file)
    except OSError as error:
        raise ConfigError(f"--map-file {file}: can't read it ({error.strerror})") from None
    except NotTextError as error:
        raise ConfigError(f"--map-file {file}: {error}") from None
    wrong = [name for name, label in table.items() if not isinstance(label, str)]
    if wrong:
        raise ConfigError(f'--map-file {file}: {wrong[0]}: expected "THEIRS" = "OURS" lines and nothing else')
    return dict(table)
