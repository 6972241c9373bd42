"""Prometheus and Mosquitto as Debian ships them, each in a folder of its own, and what they know."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import subprocess
import threading
import urllib.parse
import urllib.request
from collections import Counter
from collections.abc import Sequence
from contextlib import closing, suppress
from pathlib import Path
from typing import Any

from aiomqtt import Client, MqttError

FILES = Path(__file__).resolve().parents[2] / "docs" / "monitoring"


def free_port() -> int:
    with closing(socket.socket()) as free:
        free.bind(("127.0.0.1", 0))
        return int(free.getsockname()[1])


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if found is None:
        raise SystemExit(f"{name} is needed: run tests/install-tools")
    return found


class Engine:
    """A program that runs until it is ended; it opened its port when `__init__` returns."""

    def __init__(self, command: Sequence[str], port: int, log: Path) -> None:
        with log.open("wb") as said:
            self._process = subprocess.Popen(command, stdout=said, stderr=subprocess.STDOUT)
        while self._process.poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), 1).close()
                return
            except OSError:
                threading.Event().wait(0.1)
        raise SystemExit(f"{command[0]} did not start:\n{log.read_text(errors='replace')[-2000:]}")

    def memory_mb(self) -> float:
        status = Path(f"/proc/{self._process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1000

    def cpu_s(self) -> float:
        fields = Path(f"/proc/{self._process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def end(self) -> None:
        self._process.terminate()
        self._process.wait()


class Prometheus(Engine):
    """It works with the files of docs/monitoring; only the list of stations is another, and how often they are asked."""

    def __init__(self, folder: Path, stations: Sequence[tuple[str, str]], every: str) -> None:
        self.port = free_port()
        folder.mkdir()
        shutil.copy(FILES / "alerts.yml", folder)
        settings = (FILES / "prometheus.yml").read_text().replace("_interval: 15s", f"_interval: {every}")
        (folder / "prometheus.yml").write_text(settings)
        listed = [{"targets": [address], "labels": {"station": name}} for name, address in stations]
        (folder / "stations.yml").write_text(json.dumps(listed))
        command = [
            program("prometheus"),
            f"--config.file={folder / 'prometheus.yml'}",
            f"--storage.tsdb.path={folder / 'data'}",
        ]
        super().__init__([*command, f"--web.listen-address=127.0.0.1:{self.port}"], self.port, folder / "log")

    def series(self) -> int:
        """Return how many series it holds in memory."""
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/status/tsdb", timeout=30) as answer:
            return int(json.load(answer)["data"]["headStats"]["numSeries"])

    def ask(self, query: str) -> dict[str, float]:
        """Return the values of an instant query by what tells them apart: the station's name, else all labels."""
        asked = urllib.parse.urlencode({"query": query})
        with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api/v1/query?{asked}", timeout=30) as answer:
            data = json.load(answer)["data"]
        if data["resultType"] == "scalar":
            return {"": float(data["result"][1])}
        return {
            row["metric"].get("station", "") if set(row["metric"]) <= {"station"} else json.dumps(row["metric"]): float(
                row["value"][1]
            )
            for row in data["result"]
        }


class Mosquitto(Engine):
    """A broker with the settings of docs/monitoring, and somebody who listens to all that it is told."""

    USER, PASSWORD = "sorter", "only for this run"

    def __init__(self, folder: Path) -> None:
        folder.mkdir()
        self.port = free_port()
        self.password_file = folder / "password"
        self.password_file.write_text(self.PASSWORD)
        self.password_file.chmod(0o600)
        self.states: dict[str, dict[str, Any]] = {}
        self.available: dict[str, str] = {}
        self.announced: set[str] = set()
        self.messages: Counter[str] = Counter()
        settings, known = folder / "mosquitto.conf", folder / "passwords"
        subprocess.run([program("mosquitto_passwd"), "-c", "-b", str(known), self.USER, self.PASSWORD], check=True)
        text = (FILES / "mosquitto.conf").read_text().replace("listener 1883", f"listener {self.port} 127.0.0.1")
        text = text.replace("/mosquitto/config/", f"{folder}/").replace("/mosquitto/data/", f"{folder}/")
        # As root it would become a user who may not look into this folder.
        settings.write_text(text + ("user root\n" if os.geteuid() == 0 else ""))
        super().__init__([program("mosquitto"), "-c", str(settings)], self.port, folder / "log")
        threading.Thread(target=lambda: asyncio.run(self._listen()), daemon=True).start()

    async def _listen(self) -> None:
        with suppress(MqttError):  # the broker ends
            async with Client("127.0.0.1", self.port, username=self.USER, password=self.PASSWORD) as client:
                await client.subscribe("#", qos=1)
                async for message in client.messages:
                    self._take(str(message.topic).split("/"), bytes(message.payload))  # type: ignore[arg-type]

    def _take(self, topic: list[str], payload: bytes) -> None:
        if topic[0] != "edge-sorter":
            self.announced.add(topic[2].removeprefix("edge-sorter-"))
            return
        _, station, what = topic
        self.messages[station] += 1
        if what == "state":
            self.states[station] = json.loads(payload)
        elif what == "availability":
            self.available[station] = payload.decode()
