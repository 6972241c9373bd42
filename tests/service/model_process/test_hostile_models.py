"""A model that means harm while it is proven, or at work: its process is ended, and nobody else's time or memory goes."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from pathlib import Path

import pytest
from support.hostile import GREY, HARMLESS, hostile_bundle
from support.paths import ROOT
from support.processes import has_ended
from support.receiver import push
from support.stations import BIN, write_station

from edge.bundle.archive import read_bundle
from edge.clock import SystemClock
from edge.errors import BundleError, ClassifierError
from edge.inference.golden import prove_golden
from edge.inference.process import InterpreterProcess, open_in_process
from edge.inference.worker import LoadRequest

pytestmark = pytest.mark.realtime

AT_MOST_S = 60.0


@pytest.fixture
def station(tmp_path: Path) -> Path:
    return write_station(tmp_path, BIN, state_folder="state", inference={"allow_unsigned": True})


def model_processes(maker: int) -> set[int]:
    """The models' processes that one of its threads started."""
    found = set()
    for task in Path(f"/proc/{maker}/task").iterdir():
        for process in (task / "children").read_text().split():
            with suppress(FileNotFoundError, ProcessLookupError):
                if b"edge.inference.worker" in Path(f"/proc/{process}/cmdline").read_bytes():
                    found.add(int(process))
    return found


PROVES = """
import resource, sys
from pathlib import Path
from edge.bundle.archive import open_bundle
from edge.clock import SystemClock
from edge.errors import BundleError
from edge.inference.golden import prove_golden

try:
    prove_golden(open_bundle(Path(sys.argv[1])), 1, "auto", SystemClock().now)
except BundleError as error:
    print(error)
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""


def test_a_model_that_wants_4_gb_is_refused_within_its_memory(
    tmp_path: Path, tiny_bundle: Callable[..., bytes]
) -> None:
    path = tmp_path / "greedy.sorter"
    path.write_bytes(hostile_bundle("greedy", tiny_bundle))
    # In a process of its own: a child begins with its maker's size, and this one is as large as all tests before it.
    command = [sys.executable, "-c", PROVES, str(path)]
    said, largest_kb = subprocess.run(command, capture_output=True, text=True, cwd=ROOT, check=True).stdout.splitlines()
    assert "its golden vectors can't be run" in said
    assert int(largest_kb) < 1000 << 10


def test_a_model_that_never_ends_an_inference_is_refused_in_its_time(tiny_bundle: Callable[..., bytes]) -> None:
    bundle = read_bundle(hostile_bundle("hangs", tiny_bundle), "hangs.sorter")
    clock = SystemClock()
    started_at = clock.now()
    with pytest.raises(BundleError, match=r"gave no answer|SIGALRM|SIGXCPU"):
        prove_golden(bundle, 1, "auto", clock.now)
    assert clock.now() - started_at < 30e9


def test_a_model_that_takes_much_processor_time_in_all_is_ended(tiny_bundle: Callable[..., bytes]) -> None:
    model = read_bundle(hostile_bundle("hangs", tiny_bundle), "x").model
    order = LoadRequest("x", answer_s=AT_MOST_S, processor_s=2)
    with closing(InterpreterProcess(model, order)) as interpreter, pytest.raises(ClassifierError, match="SIGXCPU"):
        interpreter.run(GREY)


def test_a_model_at_work_is_bounded_in_memory_and_the_first_to_go(tiny_bundle: Callable[..., bytes]) -> None:
    bundle = read_bundle(hostile_bundle("greedy", tiny_bundle, wakes=False), "greedy.sorter")
    with closing(open_in_process(bundle)) as interpreter:
        interpreter.run(HARMLESS)
        process = interpreter._process.pid
        assert Path(f"/proc/{process}/oom_score_adj").read_text() == "1000\n"
        limits = Path(f"/proc/{process}/limits").read_text()
        found = re.search(r"Max address space\s+(\d+)", limits)
        assert found is not None
        assert int(found[1]) < 1 << 30
        with pytest.raises(ClassifierError):
            interpreter.run(GREY)


def test_receive_says_what_a_hostile_model_did_and_takes_the_next_one(
    station: Path, tiny_bundle: Callable[..., bytes]
) -> None:
    events = push(station, hostile_bundle("greedy", tiny_bundle))
    assert (events[-1]["event"], events[-1]["kind"]) == ("error", "BundleError")
    assert push(station, tiny_bundle())[-1]["event"] == "done"


@pytest.fixture
def proving(station: Path, tiny_bundle: Callable[..., bytes]) -> Iterator[tuple[subprocess.Popen[bytes], int]]:
    """A receiver that is just proving a model that hangs, and the model's process."""
    content = hostile_bundle("hangs", tiny_bundle)
    process = subprocess.Popen(
        [sys.executable, "-m", "edge", "receive", "--station", str(station)],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT,
    )  # fmt: skip
    assert process.stdin is not None
    assert process.stdout is not None
    request = {"protocol": 1, "ask": "push", "digest": read_bundle(content, "x").digest, "size": len(content)}
    process.stdin.write(json.dumps(request).encode() + b"\n" + content)
    process.stdin.flush()
    assert [json.loads(process.stdout.readline())["event"] for _ in range(2)] == ["send", "stored"]
    with process:
        while not (models := model_processes(process.pid)):
            os.sched_yield()
        yield process, models.pop()


def test_a_client_that_is_gone_ends_the_proof_and_frees_its_place(
    proving: tuple[subprocess.Popen[bytes], int], station: Path
) -> None:
    process, model = proving
    assert process.stdin is not None
    assert process.stdout is not None
    process.stdin.close()  # alone it says that all was sent, not that nobody waits
    process.stdout.close()
    clock = SystemClock()
    started_at = clock.now()
    assert has_ended(model, AT_MOST_S)
    process.wait(AT_MOST_S)
    assert clock.now() - started_at < 8e9, "it was ended, and not only by its own limit of 10 s"


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGTERM, signal.SIGHUP])
def test_a_receiver_that_is_ended_takes_the_model_with_it(
    proving: tuple[subprocess.Popen[bytes], int], sent: signal.Signals
) -> None:
    process, model = proving
    process.send_signal(sent)
    assert has_ended(model, AT_MOST_S)
