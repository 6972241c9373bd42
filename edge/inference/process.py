"""A model in a process of its own: loading it keeps no thread of the station waiting, and its crash is only its own.

LiteRT holds Python's lock while it loads, for some ms, in which nothing else of the station would run: no stroke, and
no emergency stop.
"""

from __future__ import annotations

import json
import mmap
import os
import select
import signal
import socket
import subprocess
from collections.abc import Sequence
from typing import Any

import numpy as np

from edge.bundle.archive import Bundle
from edge.errors import BundleError, ClassifierError, SetupError, SorterError
from edge.inference.interpreter import Codes, Runtime, check_agreement, check_image, installed_version, quantization
from edge.inference.worker import (
    CODES,
    FAILED,
    LARGEST_NOTE,
    LARGEST_PICTURE,
    LOAD,
    MODEL,
    MODEL_INFO,
    PICTURE,
    LoadRequest,
    picture_in,
    receive,
    send,
)
from edge.system.processes import own_command, own_environment
from edge.types import Image

# Without `site`: what it would find, the station has found already and names it.
PROGRAM = own_command("edge.inference.worker", "-S")
_ERRORS: dict[str, type[SorterError]] = {"BundleError": BundleError, "SetupError": SetupError}
# 64 golden vectors of the slowest network that is of any use, 400 ms on a small Pi, and as much again.
PROOF_S = 60
PROOF_ANSWER_S = 10.0
_END_S = 1.0  # from the end of its socket to the end of a process


class InterpreterProcess:
    """A model loaded into a runtime of another process, which ends with this object's `close` or with this process.

    `client` is a descriptor to write to: when nobody reads at its other end any more, the process is ended.
    """

    def __init__(
        self, model: bytes, order: LoadRequest, program: Sequence[str] = PROGRAM, client: int | None = None
    ) -> None:
        self._lost = ""
        self._client = client
        self._connection, theirs = socket.socketpair()
        descriptor = os.memfd_create("picture")
        try:
            os.truncate(descriptor, LARGEST_PICTURE)
            self._memory = mmap.mmap(descriptor, LARGEST_PICTURE)
            self._process = subprocess.Popen(
                [*program, str(descriptor)],
                stdin=theirs.fileno(),
                stdout=subprocess.DEVNULL,
                # Arrays start no threads; each thread's own arena would take 128 MB of the address space.
                env=own_environment(OPENBLAS_NUM_THREADS="1", MALLOC_ARENA_MAX="2"),
                pass_fds=[descriptor],
                process_group=0,  # Ctrl-C is for the station, which ends its model when it is done
            )
        except OSError as error:
            self._connection.close()
            raise BundleError(f"{order.source}: no process for the model: {error.strerror}") from None
        finally:
            theirs.close()
            os.close(descriptor)
        try:
            self._load(model, order)
        except BaseException:
            self.close()
            raise

    def run(self, image: Image) -> Codes:
        check_image(image, self.shape)
        np.copyto(self._picture, image)
        content = self._ask(CODES, (PICTURE, b""))
        if len(content) != self.outputs:
            raise self._lose("answered something else than codes")
        codes: Codes = np.frombuffer(content, self._dtype)
        return codes

    def close(self) -> None:
        """End the process."""
        self._lost = self._lost or "was ended"
        self._connection.close()
        self._process.kill()
        self._process.wait()

    def _load(self, model: bytes, order: LoadRequest) -> None:
        self._connection.settimeout(order.load_s)
        try:
            facts: dict[str, Any] = json.loads(self._ask(MODEL_INFO, (LOAD, order.to_json()), (MODEL, model)))
            self.runtime = str(facts["runtime"])
            self.shape = tuple(int(n) for n in facts["shape"])
            self.outputs = int(facts["outputs"])
            self.input, self.output = quantization(facts["input"]), quantization(facts["output"])
            self._picture = picture_in(self._memory, self.shape)
        except (ClassifierError, ValueError, KeyError, TypeError) as error:
            why = error if isinstance(error, ClassifierError) else "the model's process answered nonsense"
            raise BundleError(f"{order.source}: model.tflite can't be put to work ({why}): convert it anew") from None
        self.runtime_version = installed_version(self.runtime)
        self._dtype = np.dtype(self.output.dtype)
        self._connection.settimeout(order.answer_s)

    def _ask(self, answer: bytes, *messages: tuple[bytes, bytes]) -> bytearray:
        """Send messages and wait for an answer of that kind.

        Raises:
            ClassifierError: there is none; the process is ended.
            BundleError, SetupError: the process says so.
        """
        if self._lost:
            raise ClassifierError(f"the model's process {self._lost}")
        try:
            for message in messages:
                send(self._connection, *message)
            if self._client is not None:
                self._wait_beside(self._client)
            kind, content = receive(self._connection, answer + FAILED, LARGEST_NOTE)
            if kind == FAILED:
                said = json.loads(content)
                self._lost = "failed"
                raise _ERRORS.get(said["kind"], ClassifierError)(str(said["text"]))
        except TimeoutError:
            raise self._lose(f"gave no answer for {self._connection.gettimeout():g} s") from None
        except (EOFError, OSError):
            raise self._lose(self._ending()) from None
        except (ValueError, KeyError, TypeError) as error:
            raise self._lose(f"answered nonsense ({error})") from None
        return content

    def _wait_beside(self, client: int) -> None:
        """Wait for an answer, or until the client is gone, which raises a ClassifierError."""
        wait = select.poll()
        wait.register(self._connection, select.POLLIN)
        wait.register(client, 0)  # that its other end is closed is told always
        ready = dict(wait.poll((self._connection.gettimeout() or 0) * 1000))
        if client in ready:
            raise self._lose("was ended, since nobody waits for it any more")
        if not ready:
            raise TimeoutError

    def _lose(self, why: str) -> ClassifierError:
        self._lost = why
        self._process.kill()
        return ClassifierError(f"the model's process {why}")

    def _ending(self) -> str:
        try:
            status = self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            return "closed its connection"
        return f"ended with status {status}" if status >= 0 else f"was ended by {signal.Signals(-status).name}"


def open_in_process(
    bundle: Bundle, threads: int = 1, runtime: Runtime = "auto", *, answer_s: float = 2.0, priority: int = 0
) -> InterpreterProcess:
    """Load a bundle's model in a process of its own and check that the file is what the manifest says.

    Raises:
        BundleError: the model is not what it should be, or can't be loaded.
    """
    order = LoadRequest(bundle.source, threads, runtime, answer_s=answer_s, priority=priority)
    return _checked(bundle, InterpreterProcess(bundle.model, order))


def open_for_proof(
    bundle: Bundle, threads: int = 1, runtime: Runtime = "auto", client: int | None = None
) -> InterpreterProcess:
    """Load a bundle's model to prove it: as `open_in_process`, but its processor time is limited too.

    It ends at once with this process, and when nobody reads from `client` any more.

    Raises:
        BundleError: the model is not what it should be, or can't be loaded.
    """
    order = LoadRequest(bundle.source, threads, runtime, answer_s=PROOF_ANSWER_S, processor_s=PROOF_S, with_maker=True)
    return _checked(bundle, InterpreterProcess(bundle.model, order, client=client))


def _checked(bundle: Bundle, interpreter: InterpreterProcess) -> InterpreterProcess:
    try:
        check_agreement(bundle, interpreter)
    except BundleError:
        interpreter.close()
        raise
    return interpreter
