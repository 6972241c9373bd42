"""The README is read in three minutes and leads to the rest; the page on installing has the versions that doctor names."""

from __future__ import annotations

import re

from support.paths import ROOT

from edge.tools.setup.setup import WITH_NUMPY_1

README = ROOT / "README.md"
DOCS = ROOT / "docs"
MOST_LINES = 150


def test_the_readme_is_short() -> None:
    assert len(README.read_text("utf-8").splitlines()) <= MOST_LINES


def test_the_readme_or_the_first_page_leads_to_every_page_beside_it() -> None:
    links = README.read_text("utf-8").replace("](docs/", "](") + (DOCS / "index.md").read_text("utf-8")
    left_out = [page.name for page in DOCS.glob("*.md") if page.name != "index.md" and f"]({page.name}" not in links]
    assert left_out == []


def test_both_systems_are_installed_with_the_versions_that_doctor_and_setup_name() -> None:
    lines = [
        line for line in (DOCS / "install.md").read_text("utf-8").splitlines() if "pip install 'edge-sorter" in line
    ]
    assert len(lines) == 2  # Bookworm, Trixie
    assert lines[0].endswith(f"'edge-sorter[edge]' {WITH_NUMPY_1}")


def test_its_figures_and_their_commands_are_those_of_the_page_on_figures() -> None:
    table = README.read_text("utf-8").split("\n## Honest figures\n")[1].split("\n## ")[0]
    rows = [row.split(" | ") for row in re.findall(r"^\| (?!what|---)(.+) \|$", table, flags=re.MULTILINE)]
    page = (DOCS / "figures.md").read_text("utf-8")
    numbers = {number for _, figure, _ in rows for number in re.findall(r"\d[\d.]*\d|\d", figure)}
    commands = {command for *_, cell in rows for command in re.findall(r"`([^`]+)`", cell)}
    assert len(rows) > 5
    assert [
        number for number in sorted(numbers) if not re.search(rf"(?<![\d.]){re.escape(number)}(?![\d])", page)
    ] == []
    assert [command for command in sorted(commands) if command not in page] == []
