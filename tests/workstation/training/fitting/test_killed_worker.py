"""A worker that is killed ends the others with a sentence; all started again go on and end as if nothing had been."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

STEPS, EPOCHS = 4, 4
LIMIT_S = 600


def work(folder: Path, last_batch: int) -> None:
    """Be one of the workers of TF_CONFIG, or a training of its own; die at once after a number of batches."""
    import keras

    from training.fitting.batches import FitSettings, PoolBatches, soft_targets
    from training.fitting.devices import open_strategy
    from training.fitting.finetune import fine_tune, with_old_head
    from training.network.efficientnet_lite import BLOCKS, build_back
    from training.rendering.pool import Pool

    strategy = open_strategy()
    keras.utils.set_random_seed(3)
    drawn = np.random.default_rng(0).normal(0, 1, (8 * STEPS, 2, 2, 320)).astype(np.float16)
    pool = Pool(drawn, np.zeros((len(drawn), 1280), np.float16), np.zeros((len(drawn), 1), np.float16))
    back = build_back((2, 2, 320), BLOCKS, 2, dropout=0.0)
    targets = soft_targets(np.arange(len(drawn)) % 2, 2, 0.1)
    batches = PoolBatches(pool, targets, np.ones(len(drawn), np.float32), FitSettings(epochs=EPOCHS, batch=8))

    def on_batch(done: int) -> None:
        if done == last_batch:
            os.kill(os.getpid(), signal.SIGKILL)

    old = (np.zeros((1280, 1), np.float32), np.zeros(1, np.float32))
    fine_tune(with_old_head(back, old), batches, folder, strategy, on_batch)
    np.savez(folder / "ends.npz", *back.get_weights())


def two_workers(folder: Path, last_batch: int) -> list[subprocess.CompletedProcess[str]]:
    """Run both to their ends; the second dies after `last_batch` batches (0: neither does)."""
    for index in range(2):
        (folder / str(index)).mkdir(parents=True, exist_ok=True)
    free = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    cluster = {"worker": [f"127.0.0.1:{each.getsockname()[1]}" for each in free]}
    for each in free:
        each.close()
    started = []
    for index in range(2):
        task = json.dumps({"cluster": cluster, "task": {"type": "worker", "index": index}})
        command = [sys.executable, __file__, str(folder / str(index)), str(last_batch if index else 0)]
        env: dict[str, Any] = {**os.environ, "TF_CONFIG": task}
        started.append(subprocess.Popen(command, env=env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True))
    try:
        said = [worker.communicate(timeout=LIMIT_S)[0] for worker in started]
    finally:
        for worker in started:
            worker.kill()
    return [subprocess.CompletedProcess(w.args, w.returncode, text) for w, text in zip(started, said, strict=True)]


def test_a_killed_worker_stops_the_other_and_both_go_on(tmp_path: Path) -> None:
    with ThreadPoolExecutor(1) as beside:  # the survivor waits a while before it gives the other up
        uninterrupted = beside.submit(two_workers, tmp_path / "whole", 0)
        stopped, killed = two_workers(tmp_path, 2 * STEPS + 1)
        whole = uninterrupted.result()
    assert killed.returncode == -signal.SIGKILL, killed.stdout[-2000:]
    assert stopped.returncode != 0
    assert "another worker does not answer any more" in stopped.stdout, stopped.stdout[-2000:]
    assert not list(tmp_path.glob("[01]/ends.npz"))

    again = two_workers(tmp_path, 0)
    assert [worker.returncode for worker in (*again, *whole)] == [0] * 4, again[0].stdout[-2000:]
    ends = [np.load(file) for file in sorted(tmp_path.rglob("ends.npz"))]
    assert len(ends) == 4  # of both workers, of both trainings
    for name in ends[0].files:
        for other in ends[1:]:
            np.testing.assert_allclose(other[name], ends[0][name], rtol=1e-4, atol=1e-5)


if __name__ == "__main__":
    work(Path(sys.argv[1]), int(sys.argv[2]))
