"""The README says what the code says. `PYTHONPATH=docs python tests/unit/test_readme.py` writes the table of settings."""

from __future__ import annotations

import re
from pathlib import Path

from edge.cli import COMMANDS, ENTRY_POINT_GROUP
from edge.tools.setup.setup import WITH_NUMPY_1
from generate.settings import settings_rows

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN = "<!-- settings: written by `python tests/unit/test_readme.py` -->"
END = "<!-- end of settings -->"


def settings_table() -> str:
    lines = ["| key | type | default | meaning |", "| --- | --- | --- | --- |"]
    lines += [
        f"| `{r.key}` | {r.value.type} | {r.value.default.replace('|', chr(92) + '|')} | {r.value.description} |"
        for r in settings_rows()
    ]
    return "\n".join(lines)


def with_table(text: str) -> str:
    before, rest = text.split(BEGIN)
    return f"{before}{BEGIN}\n\n{settings_table()}\n\n{END}{rest.split(END)[1]}"


def test_every_setting_is_in_the_readme_as_the_code_has_it() -> None:
    text = README.read_text()
    assert text == with_table(text), "run: PYTHONPATH=docs python tests/unit/test_readme.py"


def test_every_command_is_in_the_readme_and_no_other() -> None:
    from importlib.metadata import entry_points

    known = {*COMMANDS, *(point.name for point in entry_points(group=ENTRY_POINT_GROUP))}
    documented = set(re.findall(r"^\| `sorter ([a-z]+)`", README.read_text(), flags=re.MULTILINE))
    assert documented == known


def test_the_readme_installs_in_one_section_with_the_versions_that_doctor_and_setup_name() -> None:
    lines = [line for line in README.read_text("utf-8").splitlines() if "bin/pip install" in line]
    assert len(lines) == 2  # Bookworm, Trixie
    assert lines[0].endswith(f"'edge-sorter[edge]' {WITH_NUMPY_1}")


if __name__ == "__main__":
    README.write_text(with_table(README.read_text()))
