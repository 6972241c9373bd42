"""The same command as two workers ends with the same network on both."""

from __future__ import annotations

import csv
import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

from edge.errors import ConfigError
from training.fitting.devices import worker_number
from training.run_folder import Run


def free_ports(count: int) -> list[int]:
    sockets = [socket.socket() for _ in range(count)]
    for each in sockets:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


def stored(file: Path) -> dict[str, np.ndarray]:
    found: dict[str, np.ndarray] = {}
    with h5py.File(file) as opened:
        opened.visititems(lambda name, item: found.update({name: item[()]} if isinstance(item, h5py.Dataset) else {}))
    return found


def test_two_workers_end_with_the_same_weights(tiny_data: Path, tmp_path: Path) -> None:
    recipe = tmp_path / "two.toml"
    recipe.write_text((tiny_data / "tiny.toml").read_text().replace("frozen_blocks = 11", "frozen_blocks = 15"))
    cluster = {"worker": [f"127.0.0.1:{port}" for port in free_ports(2)]}
    command = [sys.executable, "-m", "edge", "train", str(recipe), "--data", str(tiny_data), "--processes", "1"]
    workers = [
        subprocess.Popen(
            [*command, "--run", str(tmp_path / "run")],
            env={**os.environ, "TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})},
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        for index in range(2)
    ]  # fmt: skip
    said = [worker.communicate(timeout=1800)[0] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], "\n".join(text[-3000:] for text in said)
    for file in ("cycle0/finished.weights.h5", "cycle1/finished.weights.h5"):
        first, second = (stored(tmp_path / "run" / part / file) for part in ("", "worker1"))
        assert first.keys() == second.keys()
        for name, weights in first.items():
            np.testing.assert_array_equal(weights, second[name])
    assert Run(tmp_path / "run" / "worker1").read()["chosen"] == Run(tmp_path / "run").read()["chosen"]
    curves = [
        list(csv.DictReader((tmp_path / "run" / part / "cycle0" / "curve.csv").open())) for part in ("", "worker1")
    ]
    assert curves[0] == curves[1]
    assert float(curves[0][0]["loss"]) > 0


def test_a_wrong_tf_config_says_what_is_expected(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", '{"cluster": {"worker": ["a:1"]}, "task": {"type": "worker", "index": 3}}')
    with pytest.raises(ConfigError, match=r"(?s)TF_CONFIG: expected .*task.index 3 of 1 workers"):
        worker_number()
