"""The terminal for tables and colours: text is text there, never markup, and every word of a table can be read."""

from __future__ import annotations

from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text

from edge.system.text import harmless

# A column whose words may be broken (paths, digests) is readable from this width on.
_LEAST_BREAKABLE = 16
_LONGEST_WORD = 40


def styled(text: str, style: str, after: str = "") -> Text:
    """Return text in a style (`green`, `bold red`) and what comes after it in none; markup in it is text."""
    return Text.assemble((harmless(text), style), harmless(after))


class Terminal(Console):
    """A rich console that takes no text for markup, an emoji or an escape sequence.

    Where a table would break words it goes without its frame, and where that does not help row by row, as
    `header: value`.
    """

    def __init__(self, *, stderr: bool = False, quiet: bool = False, highlight: bool = True) -> None:
        super().__init__(stderr=stderr, quiet=quiet, highlight=highlight, markup=False, emoji=False)

    def render_str(self, text: str, **options: Any) -> Text:
        return super().render_str(harmless(text), **options)

    def print(self, *objects: Any, **options: Any) -> None:
        if not (objects and isinstance(table := objects[0], Table)):
            super().print(*objects, **options)
            return
        for column in table.columns:
            column.overflow = "fold"
        if self._least_width(table) > self.width:
            table.box, table.padding = None, (0, 1, 0, 0)
        if self._least_width(table) > self.width:
            self._print_rows(table)
        else:
            super().print(*objects, **options)

    def _print_rows(self, table: Table) -> None:
        if table.title:
            super().print(table.title)
        for row in zip(*(column.cells for column in table.columns), strict=True):
            for column, cell in zip(table.columns, row, strict=True):
                if (isinstance(cell, Text) and cell.plain) or (isinstance(cell, str) and cell):
                    self._print_cell(column.header, cell)
            super().print()

    def _print_cell(self, header: Any, cell: Any) -> None:
        line = Text()
        for part in (header, ": " if header else "", cell):
            line.append_text(part if isinstance(part, Text) else Text(harmless(str(part))))
        super().print(line, soft_wrap=True)

    def _least_width(self, table: Table) -> int:
        """Return the width that shows every word of the table whole, paths apart."""
        _, right, _, left = table.padding
        columns = len(table.columns)
        frame = (left + right) * columns + (columns + 1 if table.box is not None else 0)
        return frame + sum(
            max(self._least_width_of(cell, column.no_wrap) for cell in (*column.cells, column.header))
            for column in table.columns
        )

    def _least_width_of(self, cell: Any, no_wrap: bool) -> int:
        size = Measurement.get(self, self.options.update(width=10_000), cell)
        breakable = not no_wrap and ("/" in str(cell) or size.minimum > _LONGEST_WORD)
        return _LEAST_BREAKABLE if breakable else size.maximum if no_wrap else size.minimum
