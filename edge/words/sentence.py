"""A sentence that is made in one place and said in another, where it may be in another language."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True)
class Sentence:
    """An English sentence with places such as `{label}`, and what stands in them: text, a number, or texts in a row."""

    english: str
    values: Mapping[str, object]

    def __str__(self) -> str:
        """The whole sentence, as a terminal shows it."""
        told = {name: ", ".join(value) if isinstance(value, list) else value for name, value in self.values.items()}
        return self.english.format(**told)

    def as_table(self) -> dict[str, object]:
        """The whole sentence, and what `phrase` in `translate.js` says it by in the visitor's language."""
        return {"text": str(self), "english": self.english, "values": self.values}
