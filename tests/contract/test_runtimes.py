"""The other runtime, tflite-runtime, in an environment of its own (it needs NumPy 1): same labels, same crops."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tomllib
import venv
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from edge.inference.classifier import shipped_bundle_path

ROOT = Path(__file__).resolve().parents[2]
FOLDER = ROOT / ".venv-tflite"
PROGRAM = """
import json, sys
from pathlib import Path
import numpy
from edge.bundle.archive import open_bundle
from edge.inference.golden import check_golden
from edge.inference.interpreter import open_interpreter
from edge.clock import SystemClock
answers = []
for path in sys.argv[1:]:
    bundle = open_bundle(Path(path))
    interpreters = [open_interpreter(bundle, threads) for threads in (1, 2)]
    results = [check_golden(bundle, interpreter, SystemClock().now) for interpreter in interpreters]
    answers += [[r.runtime, r.runtime_version, r.count, r.same_labels, r.worst_steps] for r in results]
print(json.dumps({"numpy": numpy.__version__, "answers": answers}))
"""

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        sys.version_info >= (3, 12),
        reason="tflite-runtime has no wheels for CPython 3.12 and newer: only ai-edge-litert",
    ),
]


@pytest.fixture(scope="module")
def python() -> Path:
    """The interpreter of `.venv-tflite`, made on the first call."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    wanted = [
        *project["dependencies"],
        *project["optional-dependencies"]["tflite-runtime"],
        "pytest",
        "pytest-timeout",
        "hypothesis",
    ]
    stamp, program = FOLDER / "installed.json", FOLDER / "bin" / "python"
    if not stamp.exists() or json.loads(stamp.read_text()) != wanted:
        shutil.rmtree(FOLDER, ignore_errors=True)
        venv.create(FOLDER, with_pip=True)
        subprocess.run([program, "-m", "pip", "install", "--quiet", *wanted], check=True, timeout=600)
        stamp.write_text(json.dumps(wanted))
    return program


def run(python: Path, *arguments: str) -> str:
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [python, *arguments], env=environment, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def golden_answers(python: Path, *bundles: Path) -> dict[str, Any]:
    answers: dict[str, Any] = json.loads(run(python, "-c", PROGRAM, *map(str, bundles)).splitlines()[-1])
    return answers


def test_the_shipped_bundle_gives_the_same_labels(python: Path) -> None:
    answers = golden_answers(python, shipped_bundle_path())
    assert answers["numpy"].startswith("1.")
    for runtime, version, count, same_labels, _ in answers["answers"]:
        assert (runtime, version) == ("tflite-runtime", "2.14.0")
        assert same_labels == count >= 3


@pytest.mark.parametrize("dtype", ["uint8", "int8"])
def test_both_input_types_run(python: Path, tiny_bundle: Callable[..., bytes], dtype: str, tmp_path: Path) -> None:
    path = tmp_path / "tiny.sorter"
    path.write_bytes(tiny_bundle(dtype))
    for runtime, _, count, same_labels, worst_steps in golden_answers(python, path)["answers"]:
        assert runtime == "tflite-runtime"
        assert same_labels == count
        assert worst_steps <= 1


def test_crops_are_the_same_with_its_older_opencv_and_numpy(python: Path) -> None:
    said = run(
        python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--noconftest", "tests/unit/bundle/test_preprocess.py"
    )
    assert " passed" in said
