"""The process that runs a model for a station; `edge/inference/process.py` starts it and talks to it.

Both sides write messages into one stream socket, which is this process's standard input: a kind (one byte), a length
(four bytes, big-endian), so many bytes.

    station   LOAD (JSON)   MODEL (model.tflite)     PICTURE (empty)           PICTURE ...
    process                                 MODEL_INFO                     CODES             CODES ...

The picture itself (height x width x 3) lies at the beginning of memory that both share, whose descriptor is the
argument: sent through the socket it took 0.2 ms more. Only the station writes there, and never before the answer.

FAILED (JSON: kind and text of the error) takes the place of any answer and is the last one. The process ends with the
station: its end of the socket is gone then, and a model that hangs meanwhile is ended by an alarm. (Linux can also
send a signal when a parent dies, but means the thread that started the process, and such threads end early here.)
"""

from __future__ import annotations

import faulthandler
import json
import math
import mmap
import os
import resource
import signal
import socket
import struct
import sys
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from edge.errors import ClassifierError, SorterError
from edge.inference.interpreter import Interpreter, Runtime
from edge.system.realtime import Priority, die_with_maker, lock_memory, real_time, settled_memory

LOAD, MODEL, MODEL_INFO, PICTURE, CODES, FAILED = b"O", b"M", b"F", b"P", b"C", b"E"
LARGEST_MODEL = 64 << 20
LARGEST_NOTE = 64 << 10  # orders, facts, errors
LARGEST_PICTURE = 1024 * 1024 * 3
_HEADER = struct.Struct(">cI")


@dataclass(frozen=True)
class LoadRequest:
    """How to run a model, and what it may take.

    Attributes:
        source: names it in errors.
        priority: SCHED_FIFO's, 0 for none.
        load_s: seconds for loading and a first inference.
        answer_s: seconds for any other.
        memory_mb: address space on top of what Python and the runtime have; EfficientNet-Lite0 takes 20.
        processor_s: seconds of processor time in all; 0: any.
        with_maker: the process ends at once with the thread that started it.
    """

    source: str
    threads: int = 1
    runtime: Runtime = "auto"
    priority: int = 0
    load_s: float = 40.0
    answer_s: float = 2.0
    memory_mb: int = 384
    processor_s: int = 0
    with_maker: bool = False

    def to_json(self) -> bytes:
        """The content of an LOAD."""
        return json.dumps(asdict(self)).encode()


def send(to: socket.socket, kind: bytes, content: bytes) -> None:
    """Write one message."""
    to.sendall(b"".join((_HEADER.pack(kind, len(content)), content)))


def receive(source: socket.socket, kinds: bytes, limit: int) -> tuple[bytes, bytearray]:
    """Read one message of at most `limit` bytes.

    Raises:
        EOFError: the other side ended.
        ValueError: this is no message of these kinds.
    """
    kind, length = _HEADER.unpack(_read(source, _HEADER.size))
    if kind not in kinds or length > limit:
        raise ValueError(f"expected {kinds!r} of at most {limit} bytes, got {kind!r} of {length}")
    return kind, _read(source, length)


def _read(source: socket.socket, size: int) -> bytearray:
    content = bytearray(size)
    rest = memoryview(content)
    while rest:
        count = source.recv_into(rest)
        if not count:
            raise EOFError
        rest = rest[count:]
    return content


def serve(station: socket.socket, memory: mmap.mmap) -> None:
    """Load the model that comes, then answer what is in the shared memory until the station ends."""
    order = LoadRequest(**json.loads(receive(station, LOAD, LARGEST_NOTE)[1]))
    model = bytes(receive(station, MODEL, LARGEST_MODEL)[1])
    try:
        _bind(order)
        with _at_most(order.load_s):
            interpreter = Interpreter(model, order.source, order.threads, order.runtime)
            interpreter.run(np.zeros(interpreter.shape, np.uint8))  # the first one is slow, so no item's
        del model
        facts = {
            "runtime": interpreter.runtime,
            "shape": interpreter.shape,
            "outputs": interpreter.outputs,
            "input": interpreter.input_codes,
            "output": interpreter.output_codes,
        }
        send(station, MODEL_INFO, json.dumps(facts).encode())
        if order.priority:
            lock_memory()
        with settled_memory(), real_time(Priority(order.priority)) if order.priority else nullcontext():
            _answer(station, memory, interpreter, order.answer_s)
    except (SorterError, RuntimeError, ValueError, MemoryError) as error:
        kind = error if isinstance(error, SorterError) else ClassifierError()
        text = f"it needs more than {order.memory_mb} MB" if isinstance(error, MemoryError) else str(error)
        send(station, FAILED, json.dumps({"kind": type(kind).__name__, "text": text}).encode())


def _bind(order: LoadRequest) -> None:
    """Have the kernel hold this process to what it may take, before a byte of the model is looked at."""
    pages = int(Path("/proc/self/statm").read_text("ascii").split()[0])
    memory = pages * resource.getpagesize() + (order.memory_mb << 20)
    resource.setrlimit(resource.RLIMIT_AS, (memory, memory))
    if order.processor_s:
        resource.setrlimit(resource.RLIMIT_CPU, (order.processor_s, order.processor_s + 1))
    if order.with_maker:
        die_with_maker()


def _answer(station: socket.socket, memory: mmap.mmap, interpreter: Interpreter, answer_s: float) -> None:
    picture = picture_in(memory, interpreter.shape)
    while True:
        receive(station, PICTURE, 0)
        with _at_most(answer_s):
            codes = interpreter.run(picture)
        send(station, CODES, codes.tobytes())


def picture_in(memory: mmap.mmap, shape: tuple[int, ...]) -> NDArray[np.uint8]:
    """View the shared memory as a picture; raises ValueError if it is too small for one of that shape."""
    return np.frombuffer(memory, np.uint8)[: math.prod(shape)].reshape(shape)


@contextmanager
def _at_most(seconds: float) -> Iterator[None]:
    """End this process if what is done meanwhile takes longer."""
    signal.setitimer(signal.ITIMER_REAL, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)


def main() -> None:
    """Keep what native code prints from the user's terminal, and serve."""
    sys.stderr = os.fdopen(os.dup(2), "w", buffering=1)
    faulthandler.enable(sys.stderr)
    with Path(os.devnull).open("w") as nowhere:
        os.dup2(nowhere.fileno(), 2)
    os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))  # loading needs nobody's priority
    with suppress(OSError):  # the first to go where memory is short: the station opens it anew
        Path("/proc/self/oom_score_adj").write_text("1000", "ascii")
    with suppress(EOFError, ConnectionError):
        serve(socket.socket(fileno=0), mmap.mmap(int(sys.argv[1]), LARGEST_PICTURE))


if __name__ == "__main__":
    main()
