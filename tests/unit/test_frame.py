"""What stands around the code: changelog, contributing, workflows, hooks, forms, and the top of the repository."""

from __future__ import annotations

import re
import subprocess
import tomllib
from fnmatch import fnmatch
from pathlib import Path

import pytest
from packaging.version import Version
from support.paths import ROOT

from edge import __version__
from edge.cli import COMMANDS
from generate.settings import settings_rows

TOP = {
    "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE", "Makefile", "README.md", "SECURITY.md", "mkdocs.yml",
    "pyproject.toml", "benchmarks", "converter", "docs", "edge", "systemd", "tests", "training",
}  # fmt: skip
WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
FORMS = sorted(path for path in (ROOT / ".github/ISSUE_TEMPLATE").glob("*.yml") if path.name != "config.yml")
PAGES = [ROOT / name for name in ("CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md")]
KINDS = ("Added", "Changed", "Deprecated", "Removed", "Fixed", "Security")


def targets() -> set[str]:
    return set(re.findall(r"^([a-z][a-z-]*):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


def called(path: Path) -> set[str]:
    """The make targets that a file calls; not what prose and comments say, as "make sure" is no target."""
    text = path.read_text("utf-8")
    if path.suffix == ".md":
        text = "\n".join(re.findall(r"`([^`]+)`", text))
    text = re.sub(r"^\s*#.*", "", text, flags=re.MULTILINE)
    return set(re.findall(r"\bmake ([a-z][a-z-]*)", text))


def sections() -> dict[str, str]:
    """What the changelog says of each version, the newest first; the key is its whole heading."""
    headings = re.split(r"^## (.+)$", (ROOT / "CHANGELOG.md").read_text("utf-8"), flags=re.MULTILINE)
    return dict(zip(headings[1::2], headings[2::2], strict=True))


@pytest.mark.parametrize(
    "path",
    [*WORKFLOWS, ROOT / "CONTRIBUTING.md", ROOT / ".pre-commit-config.yaml", ROOT / ".ci/run"],
    ids=lambda path: path.name,
)
def test_every_make_target_that_is_called_exists(path: Path) -> None:
    assert called(path)
    assert called(path) <= targets()


def test_the_workflow_calls_what_ci_run_calls_and_so_do_the_hooks() -> None:
    steps = called(ROOT / ".ci/run")
    assert {"lint", "docs", "test-oldest", "test"} <= steps <= called(ROOT / ".github/workflows/ci.yml")
    assert called(ROOT / ".pre-commit-config.yaml") <= called(ROOT / ".github/workflows/ci.yml")


def test_the_workflow_tests_every_python_that_the_project_allows_and_names() -> None:
    text = (ROOT / ".github/workflows/ci.yml").read_text()
    tested = {version for line in re.findall(r"python: \[(.+)\]", text) for version in re.findall(r"[\d.]+", line)}
    oldest = min(tested, key=Version)
    assert tested == {"3.11", "3.12", "3.13"}
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["requires-python"] == f">={oldest}"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.name)
def test_every_action_is_named_by_its_commit_and_a_workflow_may_only_read_unless_a_job_says_more(path: Path) -> None:
    text = path.read_text()
    used = re.findall(r"uses: (.+)", text)
    assert used
    assert [name for name in used if not re.fullmatch(r"\./\S+|[\w./-]+@[0-9a-f]{40} # v[\d.]+", name)] == []
    assert "\npermissions:\n  contents: read\n" in text


@pytest.mark.parametrize("form", ["bug", "device"])
def test_a_form_asks_for_what_doctor_says_of_the_machine(form: str) -> None:
    assert "`sorter doctor --report report.json`" in (ROOT / f".github/ISSUE_TEMPLATE/{form}.yml").read_text()


def test_every_command_that_a_page_or_a_form_names_exists() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    text = "\n".join(path.read_text("utf-8") for path in (*PAGES, *FORMS))
    named = set(re.findall(r"(?:`|sudo )sorter ([a-z]+)", text))
    assert {"doctor", "setup", "push"} <= named
    assert named <= {*COMMANDS, *project["entry-points"]["edge_sorter.commands"]}


def test_every_setting_that_a_page_names_exists() -> None:
    known = {row.key.split(" ")[0] for row in settings_rows()}
    tables = "|".join({key.split(".")[0] for key in known if "." in key and "[" not in key})
    text = "\n".join(path.read_text("utf-8") for path in PAGES)
    named = set(re.findall(rf"`((?:{tables})\.[a-z_]+)`", text))
    assert named
    assert named <= known


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.name)
def test_every_path_that_a_page_names_is_there(path: Path) -> None:
    text = path.read_text("utf-8")
    named = set(re.findall(r"\]\((?!http)([^)#]+)\)", text))
    named |= set(re.findall(r"\b(?:edge|training|converter|tests|benchmarks|docs)/[\w./-]*\w", text))
    assert named
    assert [name for name in sorted(named) if not (ROOT / name).exists()] == []


def test_the_changelog_has_entries_for_the_version_that_the_code_has_or_for_the_next() -> None:
    known = sections()
    released = [heading for heading in known if heading.startswith(f"[{__version__}] - ")]
    assert released or "[Unreleased]" in known
    assert all(re.search(r"^- \S", known[heading], flags=re.MULTILINE) for heading in released or ["[Unreleased]"])


def test_the_changelog_goes_from_the_newest_to_the_oldest_with_the_kinds_of_entries_that_people_look_for() -> None:
    known = sections()
    headings = [heading for heading in known if heading != "[Unreleased]"]
    versions = [re.fullmatch(r"\[(\d+\.\d+\.\d+)\] - \d{4}-\d\d-\d\d", heading) for heading in headings]
    assert None not in versions
    numbers = [Version(found[1]) for found in versions if found]
    assert numbers == sorted(set(numbers), reverse=True)
    assert all(number <= Version(__version__) for number in numbers)
    for text in known.values():
        kinds = re.findall(r"^### (.+)$", text, flags=re.MULTILINE)
        assert kinds == [kind for kind in KINDS if kind in kinds]


def test_the_top_of_the_repository_holds_what_belongs_there() -> None:
    # Without git this is a copy of what is committed, beside what the tools made; with git it may hold a person's own files.
    ignored = [line.strip("/") for line in (ROOT / ".gitignore").read_text().splitlines()]
    names = {path.name for path in ROOT.iterdir()}
    if ".git" in names:
        listed = subprocess.run(
            ["git", "-c", "safe.directory=*", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
        )
        names = {name.split("/")[0] for name in listed.stdout.splitlines()}
    kept = {name for name in names if not any(fnmatch(name, pattern) for pattern in ignored)}
    assert {name for name in kept if not name.startswith(".")} == TOP


@pytest.mark.parametrize("name", ["CONTRIBUTING.md", "CHANGELOG.md", "SECURITY.md"])
def test_the_readme_leads_to_the_other_pages(name: str) -> None:
    assert f"]({name})" in (ROOT / "README.md").read_text("utf-8")
