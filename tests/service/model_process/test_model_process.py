"""A model's own process: whatever becomes of it or of the station, the other side notices and nothing stays behind."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Collection, Iterator
from contextlib import closing, suppress
from pathlib import Path

import numpy as np
import pytest
from support.paths import ROOT
from support.processes import has_ended
from support.running import AT_MOST_S, run_until
from support.stations import BELT, make_station

from edge.errors import BundleError, ClassifierError
from edge.health.faults import FaultKind, RecoveryAction
from edge.inference.process import PROGRAM, InterpreterProcess
from edge.inference.worker import LARGEST_PICTURE, LOAD, MODEL, MODEL_INFO, PICTURE, LoadRequest, receive, send
from edge.station.build import build_station
from edge.station.runtime import Runtime
from edge.system.realtime import Priority, real_time

pytestmark = pytest.mark.realtime

TINY = ROOT / "tests" / "models" / "tiny-uint8.tflite"
PICTURE_OF_NOTHING = np.zeros((32, 32, 3), np.uint8)

# A runtime that is well until its second inference; the first one is for warming up.
RUNTIME = """
import os, signal, time
import numpy as np

class Interpreter:
    def __init__(self, model_content, num_threads):
        os.write(2, b"INFO: what native code prints\\n")
        self.arrays = [np.zeros((1, 32, 32, 3), np.uint8), np.zeros((1, 3), np.uint8)]
        self.count = 0

    def details(self, index):
        shape = self.arrays[index].shape
        return [{"name": "x", "index": index, "shape": shape, "dtype": np.uint8, "quantization": (1.0, 0)}]

    def allocate_tensors(self): pass
    def get_input_details(self): return self.details(0)
    def get_output_details(self): return self.details(1)
    def tensor(self, index): return lambda: self.arrays[index]

    def invoke(self):
        self.count += 1
        if self.count > 1:
            DOES
"""
STATION = """
import sys, time
from pathlib import Path
import numpy as np
from edge.inference.process import InterpreterProcess
from edge.inference.worker import LoadRequest
model = InterpreterProcess(Path(sys.argv[1]).read_bytes(), LoadRequest("tiny", answer_s=float(sys.argv[2])))
print(model._process.pid, flush=True)
sys.stdin.readline()
model.run(np.zeros((32, 32, 3), np.uint8))
"""


def open_tiny(**changes: float) -> InterpreterProcess:
    return InterpreterProcess(TINY.read_bytes(), LoadRequest("tiny", **changes))  # type: ignore[arg-type]


@pytest.fixture
def runtime_that(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Put a runtime in the place of the real one, for processes that are started from now on."""

    def install(does: str) -> None:
        (tmp_path / "ai_edge_litert").mkdir()
        (tmp_path / "ai_edge_litert" / "__init__.py").touch()
        (tmp_path / "ai_edge_litert" / "interpreter.py").write_text(RUNTIME.replace("DOES", does))
        monkeypatch.syspath_prepend(str(tmp_path))

    return install


def children() -> set[int]:
    """Processes that this one started and has not reaped."""
    return {int(pid) for task in Path("/proc/self/task").iterdir() for pid in (task / "children").read_text().split()}


def models(others: Collection[int] = ()) -> set[int]:
    """Of these, the models' processes, without those of stations that other tests built and never ran."""
    own = set()
    for process in children():
        with suppress(FileNotFoundError, ProcessLookupError):
            if b"edge.inference.worker" in Path(f"/proc/{process}/cmdline").read_bytes():
                own.add(process)
    return own - set(others)


def sockets() -> int:
    """How many this process has open."""
    count = 0
    for descriptor in Path("/proc/self/fd").iterdir():
        with suppress(FileNotFoundError):  # another thread closes files meanwhile
            count += descriptor.readlink().name.startswith("socket:")
    return count


@pytest.mark.parametrize(
    ("sent", "said"), [(signal.SIGKILL, "was ended by SIGKILL"), (signal.SIGSTOP, "gave no answer for 0.5 s")]
)
def test_a_process_that_is_killed_or_hangs_is_an_error_and_is_reaped(sent: signal.Signals, said: str) -> None:
    with closing(open_tiny(answer_s=0.5)) as model:
        process = model._process.pid
        assert model.run(PICTURE_OF_NOTHING).shape == (3,)
        os.kill(process, sent)
        for _ in range(2):
            with pytest.raises(ClassifierError, match=said):
                model.run(PICTURE_OF_NOTHING)
    assert process not in children()
    with pytest.raises(ClassifierError, match=said):
        model.run(PICTURE_OF_NOTHING)


@pytest.mark.parametrize("priority", [0, Priority.VISION])
def test_it_computes_at_the_priority_that_it_is_told_and_not_at_its_makers(priority: int) -> None:
    with real_time(Priority.RECORDS) as granted, closing(open_tiny(priority=priority)) as model:
        model.run(PICTURE_OF_NOTHING)
        process = model._process.pid
        has = os.sched_getscheduler(process), os.sched_getparam(process).sched_priority
    assert has == ((os.SCHED_FIFO, priority) if granted and priority else (os.SCHED_OTHER, 0))


def test_a_crash_of_native_code_is_an_error_and_its_stack_is_logged(
    runtime_that: Callable[[str], None], capfd: pytest.CaptureFixture[str]
) -> None:
    runtime_that("os.abort()")
    with closing(open_tiny()) as model, pytest.raises(ClassifierError, match="SIGABRT"):
        model.run(PICTURE_OF_NOTHING)
    logged = capfd.readouterr().err
    assert "Fatal Python error: Aborted" in logged
    assert "what native code prints" not in logged


def test_an_unexpected_error_in_it_is_logged_with_its_traceback(
    runtime_that: Callable[[str], None], capfd: pytest.CaptureFixture[str]
) -> None:
    runtime_that("1 / 0")
    with closing(open_tiny()) as model, pytest.raises(ClassifierError, match="ended with status 1"):
        model.run(PICTURE_OF_NOTHING)
    assert "ZeroDivisionError" in capfd.readouterr().err


def test_what_the_runtime_says_comes_over(runtime_that: Callable[[str], None]) -> None:
    runtime_that('raise RuntimeError("node 5 failed to invoke")')
    with closing(open_tiny()) as model, pytest.raises(ClassifierError, match="node 5 failed to invoke"):
        model.run(PICTURE_OF_NOTHING)


@pytest.mark.parametrize("state", ["idle", "stopped", "computing"])
def test_it_ends_when_the_station_is_killed(state: str, runtime_that: Callable[[str], None]) -> None:
    if state == "computing":
        runtime_that("open('/proc/self/comm', 'w').write('hangs'); sum(range(1 << 60))")
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([*filter(None, sys.path), str(ROOT)])}
    station = subprocess.Popen(
        [sys.executable, "-c", STATION, str(TINY), "1"],
        stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=environment, text=True,
    )  # fmt: skip
    assert station.stdin is not None
    assert station.stdout is not None
    with station:
        process = int(station.stdout.readline())
        if state == "stopped":
            os.kill(process, signal.SIGSTOP)
            while Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()[0] != "T":
                os.sched_yield()  # a signal is on its way; the kernel tells orphans that stand already
        elif state == "computing":
            station.stdin.write("\n")
            station.stdin.flush()
            while Path(f"/proc/{process}/comm").read_text() != "hangs\n":
                os.sched_yield()
        station.kill()
    assert has_ended(process, AT_MOST_S)


def test_it_ends_by_itself_when_an_inference_takes_too_long(runtime_that: Callable[[str], None]) -> None:
    runtime_that("sum(range(1 << 60))")
    ours, theirs = socket.socketpair()
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(ROOT), *filter(None, sys.path)])}
    memory = os.memfd_create("picture")
    os.truncate(memory, LARGEST_PICTURE)
    command = [*PROGRAM, str(memory)]
    with ours, theirs, subprocess.Popen(command, stdin=theirs.fileno(), env=environment, pass_fds=[memory]) as process:
        os.close(memory)
        send(ours, LOAD, LoadRequest("tiny", answer_s=0.05).to_json())
        send(ours, MODEL, b"")
        assert json.loads(receive(ours, MODEL_INFO, 1 << 16)[1])["shape"] == [32, 32, 3]
        send(ours, PICTURE, b"")
        assert process.wait(AT_MOST_S) == -signal.SIGALRM


FRAME = 'import socket, struct\ns = socket.socket(fileno=0)\ndef say(kind, content, length=None):\n    s.sendall(struct.pack(">cI", kind, len(content) if length is None else length) + content)\n'
TENSOR = '{"dtype": "uint8", "scale": 1.0, "zero_point": 0}'
GOOD = f'{{"runtime": "ai-edge-litert", "shape": [32, 32, 3], "outputs": 3, "input": {TENSOR}, "output": {TENSOR}}}'


@pytest.mark.parametrize(
    "program",
    [
        "pass",
        "import os; os.close(0); import signal; signal.pause()",
        "s.sendall(bytes(100))",
        "s.sendall(b'XNNPACK' * 100)",
        "say(b'F', b'x' * 10, 1 << 31)",
        "say(b'F', b'{\"runtime\": ')",
        "say(b'F', b'[1, 2]')",
        "say(b'F', b'\\xff\\xfe')",
        "say(b'F', b'{}')",
        "say(b'C', b'123')",
        "say(b'E', b'{}')",
        f"say(b'F', b'''{GOOD}'''.replace(b'1.0', b'-1.0'))",
    ],
)
def test_nonsense_instead_of_facts_is_a_bundle_that_can_not_be_used(program: str) -> None:
    before = children(), sockets()
    with pytest.raises(BundleError, match=r"tiny: model\.tflite can't be put to work .*: convert it anew"):
        InterpreterProcess(
            b"model", LoadRequest("tiny", load_s=AT_MOST_S), (sys.executable, "-S", "-c", FRAME + program)
        )
    assert (children(), sockets()) == before


@pytest.mark.parametrize("answer", ["say(b'C', b'1234')", "say(b'C', b'')", "s.sendall(bytes(9))", "say(b'F', b'{}')"])
def test_nonsense_instead_of_codes_is_an_error(answer: str) -> None:
    program = f"{FRAME}\nsay(b'F', b'''{GOOD}''')\n{answer}\nimport signal; signal.pause()"
    order = LoadRequest("tiny", answer_s=AT_MOST_S)
    with closing(InterpreterProcess(b"model", order, (sys.executable, "-S", "-c", program))) as model:
        with pytest.raises(ClassifierError, match="the model's process answered"):
            model.run(PICTURE_OF_NOTHING)
        assert has_ended(model._process.pid, AT_MOST_S)


def test_a_program_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(BundleError, match="no process for the model"):
        InterpreterProcess(b"model", LoadRequest("tiny"), (str(tmp_path / "none"),))


# -- in a station -----------------------------------------------------------------------------------------------------


@pytest.fixture
def others() -> set[int]:
    """The models' processes that were there before the test."""
    return models()


@pytest.fixture
def runtime(tmp_path: Path, tiny_bundle: Callable[..., bytes], others: set[int]) -> Iterator[Runtime]:
    """A small simulated belt in real time."""
    (tmp_path / "tiny.sorter").write_bytes(tiny_bundle())
    station = make_station(BELT, state_folder=tmp_path, inference={"bundle": tmp_path / "tiny.sorter"})
    yield Runtime(build_station(station))
    assert not models(others)


@pytest.mark.parametrize("sent", [signal.SIGKILL, signal.SIGSTOP])
def test_a_station_opens_its_model_anew(runtime: Runtime, others: set[int], sent: signal.Signals) -> None:
    health, live = runtime.station.health, runtime.station.reporting.live
    (first,) = models(others)
    os.kill(first, sent)
    decided = 0

    def reached() -> bool:
        nonlocal decided
        if not health.retries.counts[RecoveryAction.RESTART_CLASSIFIER]:
            decided = live.snapshot().total
        is_well = all(fault.kind is not FaultKind.CLASSIFIER_FAILED for fault in health.faults)
        return health.counts[FaultKind.CLASSIFIER_FAILED] > 0 and is_well and live.snapshot().total > decided + 1

    run_until(runtime, reached)
    assert health.retries.counts[RecoveryAction.RESTART_SERVICE] == 0
    assert first not in models(others)


def test_many_models_after_another_leave_nothing_behind(runtime: Runtime, others: set[int]) -> None:
    seen: list[set[int]] = []
    open_then: list[int] = []

    def reached() -> bool:
        own = models(others)
        if len(own) == 1 and own not in seen:
            seen.append(own)
            open_then.append(sockets())
            runtime.station.slot.replace_classifier(runtime.station.reopen_classifier())
        return len(seen) == 6

    run_until(runtime, reached)
    assert len(set(open_then[1:])) == 1
