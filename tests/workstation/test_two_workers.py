"""Two worker processes train together and end with the same weights."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import numpy as np


def free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [int(opened.getsockname()[1]) for opened in sockets]
    for opened in sockets:
        opened.close()
    return ports


def start(index: int, ports: list[int], data: Path, run: Path) -> subprocess.Popen[str]:
    cluster = {"worker": [f"127.0.0.1:{port}" for port in ports]}
    environment = {
        **os.environ,
        "TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}}),
        "CUDA_VISIBLE_DEVICES": "-1",
    }
    command = [sys.executable, "-m", "edge", "train", str(data / "tiny.toml"), "--data", str(data), "--run", str(run)]
    return subprocess.Popen(
        [*command, "--strategy", "workers", "--processes", "1"],
        env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
    )  # fmt: skip


def test_both_workers_hold_the_same_network(tiny_data: Path, tmp_path: Path) -> None:
    import keras

    ports = free_ports(2)
    workers = [start(index, ports, tiny_data, tmp_path / f"run{index}") for index in range(2)]
    try:
        said = [worker.communicate(timeout=400)[0] for worker in workers]
    finally:
        for worker in workers:
            worker.kill()
    assert [worker.returncode for worker in workers] == [0, 0], "\n".join(said)
    first, second = (
        keras.saving.load_model(tmp_path / f"run{index}" / "network.keras", compile=False).get_weights()
        for index in range(2)
    )
    assert len(first) > 50
    for a, b in zip(first, second, strict=True):
        np.testing.assert_array_equal(a, b)
