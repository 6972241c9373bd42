"""The pages of docs/reference that are written from the code."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from generate import bundle, commands, faults, journal, metrics, recipe, routes, settings

GENERATED: Mapping[str, Callable[[], str]] = {
    "settings": settings.page,
    "commands": commands.page,
    "faults": faults.page,
    "metrics": metrics.page,
    "http": routes.page,
    "journal": journal.page,
    "bundle": bundle.page,
    "recipe": recipe.page,
}
"""What fills a page, by the page's name."""
