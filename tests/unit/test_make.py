"""What `make` says where something is missing, and that CI runs what it should."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from support.paths import ROOT


def make(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("MAKE", "SORTER_"))}
    command = ["make", "--no-print-directory", *arguments]
    return subprocess.run(command, cwd=ROOT, env={**kept, **environment}, capture_output=True, text=True)


@pytest.mark.parametrize("named", ["DATA", "SORTER_DATA"])
def test_a_model_without_photo_sets_ends_in_one_sentence_that_says_what_to_name(tmp_path: Path, named: str) -> None:
    done = make("model", SORTER_DATA=str(tmp_path)) if named == "SORTER_DATA" else make("model", f"DATA={tmp_path}")
    assert done.returncode == 2
    said, by_make = done.stderr.splitlines()
    assert said.startswith(f"make model: {tmp_path}/waste/train.txt is not there")
    assert "DATA=FOLDER or SORTER_DATA=FOLDER" in said
    assert by_make.endswith("photo-sets] Error 2")
    assert done.stdout == ""


def test_a_model_made_anew_takes_the_place_of_the_one_before(tmp_path: Path) -> None:
    (tmp_path / "waste").mkdir()
    (tmp_path / "waste" / "train.txt").write_text("glass/1.jpg\n")
    told = make("--dry-run", "model", f"DATA={tmp_path}", "LEFT_OUT=runs/a runs/b").stdout.splitlines()
    (convert,) = [line for line in told if "sorter convert" in line]
    version = convert.split("--version ")[1].split()[0]
    assert convert.endswith("--left-out runs/a --left-out runs/b")
    shipped = {path.stem for path in (ROOT / "edge" / "model").glob("*.sorter")}
    assert f"waste-{version}" >= max(shipped)
    assert any(line.endswith(f"! -name 'waste-{version}.sorter' -delete") for line in told)


def test_every_target_that_a_person_calls_is_listed() -> None:
    listed = {line.split()[0] for line in make().stdout.splitlines()}
    assert {"run", "test", "test-fast", "test-oldest", "lint", "docs", "bench", "model", "lock", "proven"} <= listed


@pytest.mark.parametrize(("installer", "command"), [("", ".venv/bin/pip install"), ("uv", ".venv/bin/uv pip install")])
def test_people_install_with_their_own_pip_and_ci_with_what_is_faster(installer: str, command: str) -> None:
    told = make("--dry-run", "--always-make", ".venv/.test", INSTALLER=installer).stdout.splitlines()
    assert [line for line in told if "--editable" in line] == [
        f"{command} --quiet {'--python .venv/bin/python ' if installer else ''}--editable '.[edge,training,converter,dev]'"
    ]
    assert "INSTALLER=uv" in (ROOT / ".ci" / "run").read_text("utf-8")


def test_nothing_that_is_committed_asks_for_a_folder_beside_the_checkout() -> None:
    names = [
        *ROOT.glob("*.*"),
        *(
            path
            for folder in ("edge", "training", "converter", "tests", "benchmarks", "systemd", "docs", ".ci")
            for path in (ROOT / folder).rglob("*")
        ),
    ]
    texts = [
        path
        for path in names
        if path.suffix in {"", ".py", ".md", ".toml", ".txt", ".sh", ".service"} and path.is_file()
    ]
    beside = "/".join(("..", "shared"))
    assert len(texts) > 400
    assert [str(path) for path in texts if beside in path.read_text(encoding="utf-8", errors="ignore")] == []
