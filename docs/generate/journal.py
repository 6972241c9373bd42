"""The journal's tables with their columns, what is exported, and the words that stand in the columns."""

from __future__ import annotations

import sqlite3
from collections.abc import Mapping
from contextlib import closing

from edge.journal.keeping.candidates import Kept
from edge.journal.reading import ELSEWHERE, EventRecord, ItemRecord
from edge.journal.schema import MEANINGS, MIGRATIONS
from edge.types import REASON_TEXT, EventKind, Severity, StrokeOutcome
from generate.comments import meanings
from generate.markdown import anchored, code, document, table

_RECORDS = {"items": ItemRecord._fields, "events": EventRecord._fields}
# Columns of an export that are made of something else than their namesake.
_MADE = {"time": "when it was recorded, ISO 8601 in UTC", "reason": "what became of it, as far as it is known"}


def columns() -> dict[str, list[tuple[str, str, bool]]]:
    """Return name, SQL type and whether it may be null of every column, by table, as SQLite itself tells."""
    with closing(sqlite3.connect(":memory:")) as database:
        for statement in (statement for migration in MIGRATIONS for statement in migration):
            database.execute(statement)
        return {
            name: [
                (column, kind, not (must or key))
                for _, column, kind, must, _, key in database.execute(f"PRAGMA table_info({name})")
            ]
            for name in MEANINGS
        }


def exported(name: str) -> dict[str, str]:
    """Return the columns of `sorter journal export` and what they hold."""
    joined = {"r": MEANINGS["runs"], "b": MEANINGS["bundles"]}
    found = {}
    for column in _RECORDS[name]:
        source, _, inner = ELSEWHERE.get(column, f"t.{column}").partition(".")
        found[column] = _MADE.get(column) or joined.get(source, MEANINGS[name])[inner]
    return found


def page() -> str:
    """Return the page's text."""
    parts = []
    for name, described in columns().items():
        rows = [
            [anchored(f"{name}.{column}", code(column)), MEANINGS[name][column], kind, "yes" if null else ""]
            for column, kind, null in described
        ]
        parts += [f"## Table {code(name)} {{ #{name} }}", table(("column", "meaning", "type", "null"), rows)]
    return document(
        *parts,
        "## What is exported { #export }",
        *(f"### {name}\n\n{_words('column', exported(name))}" for name in _RECORDS),
        "## Words in `items.reason` { #reasons }",
        _words("reason", {str(reason): text for reason, text in REASON_TEXT.items()}),
        "## Words in `items.outcome` { #outcomes }",
        _words("outcome", {word: text for word, text in meanings(StrokeOutcome).items() if word}),
        "## Words in `items.kept` { #kept-words }",
        _words("kept", meanings(Kept)),
        "## Words in `events.kind` { #kinds }",
        _words("kind", meanings(EventKind)),
        "## Words in `events.severity` { #severities }",
        _words("severity", meanings(Severity)),
    )


def _words(head: str, words: Mapping[str, str]) -> str:
    return table((head, "meaning"), [[code(word), text] for word, text in words.items()])
