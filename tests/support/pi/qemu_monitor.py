"""QEMU's own control socket: commands as JSON, one a line."""

from __future__ import annotations

import json
import socket
from pathlib import Path
from typing import Any


class Monitor:
    """A connection to the socket of a running QEMU."""

    def __init__(self, path: Path, timeout_s: float = 60.0) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(timeout_s)
        self._socket.connect(str(path))
        self._lines = self._socket.makefile("r")
        self._lines.readline()  # it says who it is
        self.execute("qmp_capabilities")

    def execute(self, command: str, **arguments: Any) -> Any:
        """Carry out a command, and return its answer; what happened meanwhile is passed over.

        Raises:
            RuntimeError: QEMU refused it, or ended.
        """
        self._socket.sendall(json.dumps({"execute": command, "arguments": arguments}).encode() + b"\n")
        for line in self._lines:
            answer = json.loads(line)
            if "return" in answer:
                return answer["return"]
            if "error" in answer:
                raise RuntimeError(f"QEMU refused {command}: {answer['error']}")
        raise RuntimeError(f"QEMU ended before it answered {command}")

    def close(self) -> None:
        self._lines.close()
        self._socket.close()
