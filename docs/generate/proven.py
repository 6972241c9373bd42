"""Fills the tables of docs/proven-on-a-pi.md from what the tests of tests/pi wrote down: `make proven`, after `make test-pi`.

What was not run this time keeps its row, what never ran has one that says so, and what no test claims any more loses it.
"""

from __future__ import annotations

import ast
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "docs"))

from generate.markdown import table  # noqa: E402 - run as a script, too

TESTS, LINES, PAGE = ROOT / "tests" / "pi", ROOT / "build" / "pi", ROOT / "docs" / "proven-on-a-pi.md"
BEGIN, END = "<!-- proven -->", "<!-- end -->"
HEAD = ("what is proven", "measured", "test", "when")
NOT_RUN = "**not run yet**"
# In the order of the page: the folder below tests/pi, and what it is about.
PARTS = {
    "processor": (
        "The processor",
        "The wheel in Debian's arm64 user space, each instruction run by QEMU as a Pi's core would.",
    ),
    "camera": (
        "The camera library",
        "The real picamera2 and libcamera, with libcamera's virtual camera in the sensor's place.",
    ),
    "lines": (
        "Pins and USB cameras",
        "A machine with Debian's kernel, its simulated GPIO chip and its virtual camera.",
    ),
    "service": (
        "The service as installed",
        "A machine with systemd, installed by the documented commands, pushed to, cut off.",
    ),
}
UNITS = {
    **{unit: unit for unit in ("ms", "us", "ns", "s", "min", "h", "mm", "px", "pc", "fps")},
    "mb": "MB",
    "kb": "kB",
    "gb": "GB",
    "mib": "MiB",
    "kib": "KiB",
    "hz": "Hz",
    "percent": "%",
    "degrees": "degrees",
}


@dataclass(frozen=True, slots=True)
class Claim:
    """A sentence that a test proves, and the file that it stands in."""

    part: str
    file: str
    text: str


def claims(tests: Path = TESTS) -> list[Claim]:
    """Return what the tests claim: the first argument of each call of the fixture `proven`, a literal.

    Raises:
        ValueError: a claim is put together where it is passed.
    """
    found: list[Claim] = []
    for path in sorted(tests.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if not (isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "proven"):
                continue
            said = node.args[0] if node.args else None
            if not (isinstance(said, ast.Constant) and isinstance(said.value, str)):
                raise ValueError(f"{path}:{node.lineno}: expected the claim as a literal")
            found.append(Claim(path.relative_to(tests).parts[0], path.name, said.value))
    return sorted(dict.fromkeys(found), key=lambda claim: (_place(claim.part), claim.file))


def rows(page: str) -> dict[str, list[str]]:
    """Return the rows of the page by their claim, as they were before `table` wrote them."""
    split = (re.split(r" (?<!\\)\| ", line.strip("| ")) for line in _between(page).splitlines())
    lines = ([text.replace("\\|", "|") for text in cells] for cells in split)
    return {cells[0]: cells for cells in lines if len(cells) == len(HEAD) and cells[0] not in (HEAD[0], "---")}


def fill(page: str, claimed: Sequence[Claim], lines: Sequence[Mapping[str, Any]]) -> str:
    """Return the page with a row for each claim: as it was measured now or before, or that it was not."""
    before, versions = rows(page), _versions_told(page)
    parts = []
    for part in sorted({claim.part for claim in claimed}, key=_place):
        measured = [line for line in lines if line["part"] == part]
        versions[part] = _versions(measured) or versions.get(part, "")
        told = [_row(claim, measured, before) for claim in claimed if claim.part == part]
        title, about = PARTS.get(part, (part.capitalize(), ""))
        ran = f"Ran with {versions[part]}." if versions[part] else ""
        parts += [f"### {title}", f"{about} Run it: `make test-pi PART={part}`. {ran}".strip(), table(HEAD, told)]
    start, _, rest = page.partition(BEGIN)
    return f"{start}{BEGIN}\n\n" + "\n\n".join(parts) + f"\n\n{END}" + rest.partition(END)[2]


def _row(claim: Claim, lines: Sequence[Mapping[str, Any]], before: Mapping[str, list[str]]) -> list[str]:
    """Return what was measured last; else the row that there was; else one that says that there was none."""
    # The last line of each test, since a parametrized one writes a line a case.
    last = {line["test"]: line for line in lines if line["claim"] == claim.text}
    if not last:
        return before.get(claim.text, [claim.text, NOT_RUN, f"`{claim.file}`", "never"])
    figures = [_figures(line["figures"], _case(test)) for test, line in last.items()]
    return [claim.text, "; ".join(filter(None, figures)), f"`{claim.file}`", max(line["at"] for line in last.values())]


def _figures(figures: Mapping[str, Any], case: str) -> str:
    """Return figures as people write them: `pulse_late_p99_us=130` is "pulse late p99: 130 us"."""
    told = []
    for name, value in figures.items():
        *words, last = name.split("_")
        unit = UNITS.get(last, "") if words else ""
        if unit and words[-1] == "per":
            unit = f"per {unit}"
            words.pop()
        text = f"{value:,}".replace(",", " ") if isinstance(value, int) and not isinstance(value, bool) else str(value)
        told.append(f"{' '.join(words if unit else [*words, last])}: {text} {unit}".strip())
    return f"{case}: {', '.join(told)}" if case and told else ", ".join(told) or case


def _case(test: str) -> str:
    """Return what stands in brackets behind the name of a parametrized test."""
    found = re.search(r"\[(.+)\]$", test)
    return found[1] if found else ""


def _versions(lines: Sequence[Mapping[str, Any]]) -> str:
    told: dict[str, list[str]] = {}
    for line in lines:
        for name, version in line.get("versions", {}).items():
            told.setdefault(name, [])
            told[name] += [version] if version not in told[name] else []
    return ", ".join(f"{name} {' and '.join(versions)}" for name, versions in told.items())


def _versions_told(page: str) -> dict[str, str]:
    """Return what the page says of the versions of each part."""
    return dict(re.findall(r"`make test-pi PART=(\w+)`\. Ran with (.+)\.$", page, flags=re.MULTILINE))


def _between(page: str) -> str:
    return page.partition(BEGIN)[2].partition(END)[0]


def _place(part: str) -> int:
    return list(PARTS).index(part) if part in PARTS else len(PARTS)


def _read(folder: Path) -> Iterator[dict[str, Any]]:
    for file in sorted(folder.glob("*.jsonl")):
        yield from (json.loads(line) for line in file.read_text("utf-8").splitlines())


def main() -> None:
    """Write the page, and say what is still without a row."""
    claimed = claims()
    page = fill(PAGE.read_text("utf-8"), claimed, list(_read(LINES)))
    PAGE.write_text(page, "utf-8")
    told = rows(page)
    missing = [claim for claim in claimed if told[claim.text][1] == NOT_RUN]
    for claim in missing:
        sys.stderr.write(
            f"not yet measured: {claim.text} ({claim.part}/{claim.file}): make test-pi PART={claim.part}\n"
        )
    sys.stdout.write(f"{PAGE.relative_to(ROOT)}: {len(claimed) - len(missing)} of {len(claimed)} claims\n")
    sys.exit(bool(missing))


if __name__ == "__main__":
    main()
