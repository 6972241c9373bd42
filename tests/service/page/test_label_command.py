"""`sorter label` as processes: people at once, one that is killed, and what it says at its beginning and end."""

from __future__ import annotations

import hashlib
import json
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import cv2
import numpy as np
import pytest
from support.stations import ALL_BUT_PAPER, BIN, write_station

from edge.labelling.labels import read_labels

PATIENCE_S = 60


@dataclass
class Labelling:
    process: subprocess.Popen[str]
    said: str
    url: str

    def ask(self, method: str, path: str, body: object = None) -> dict[str, object]:
        address = urlsplit(self.url)
        connection = HTTPConnection(str(address.hostname), address.port, timeout=PATIENCE_S)
        content = None if body is None else json.dumps(body)
        connection.request(
            method, address.path + path, content, {"Content-Type": "application/json"} if content else {}
        )
        answer = connection.getresponse()
        text = answer.read().decode()
        assert answer.status == 200, text
        return dict(json.loads(text))

    def photo(self, name: str) -> tuple[int, ...]:
        """The shape of a picture as it is shown."""
        with urlopen(f"{self.url}photo?name={name}", timeout=PATIENCE_S) as answer:
            return cv2.imdecode(np.frombuffer(answer.read(), np.uint8), cv2.IMREAD_COLOR).shape

    def label_next(self, label: str) -> str:
        picture = self.ask("GET", "next")["picture"]
        assert isinstance(picture, dict)
        self.ask("POST", "label", {"pictures": [picture["name"]], "label": label})
        return str(picture["name"])


def peak_mb(process: int) -> int:
    """The most memory that a process has had so far."""
    status = Path(f"/proc/{process}/status").read_text()
    return int(status.split("VmHWM:")[1].split()[0]) // 1000


@contextmanager
def labelling(folder: Path, by: str, *options: object) -> Iterator[Labelling]:
    command = [sys.executable, "-m", "edge", "label", str(folder), "--by", by, *map(str, options)]
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdout=pipe, stderr=subprocess.STDOUT, text=True, cwd=folder.parent) as process:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            if line.startswith("Open "):
                break
        try:
            assert "Open " in said, said
            yield Labelling(process, said, said.split("Open ")[1].split()[0])
        finally:
            process.kill()


def end(one: Labelling) -> str:
    """End it as a person does; return what it said at its end."""
    one.process.send_signal(signal.SIGINT)
    said, _ = one.process.communicate(timeout=PATIENCE_S)
    assert one.process.returncode == 0, said
    return said


@pytest.fixture
def folder(tmp_path: Path, photo_dir: Path) -> Path:
    pictures = tmp_path / "pictures"
    pictures.mkdir()
    for number, photo in enumerate(sorted((photo_dir / "glass").glob("*.jpg"))[:8]):
        shutil.copy(photo, pictures / f"item-{number}.jpg")
    return pictures


def test_two_people_label_at_once_and_nothing_is_lost(folder: Path) -> None:
    before = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in folder.iterdir()}
    with (
        labelling(folder, "anna", "--labels", "glass,jar") as anna,
        labelling(folder, "ben", "--labels", "glass") as ben,
    ):
        done = [one.label_next("glass") for _ in range(4) for one in (anna, ben)]
        assert sorted(done) == sorted(before)
        assert "8 of 8 pictures are labelled, 4 by ben: glass 8." in end(ben)
        end(anna)
    assert {name: entry.label for name, entry in read_labels(folder).entries.items()} == dict.fromkeys(before, "glass")
    assert {p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in folder.glob("*.jpg")} == before


def test_who_was_killed_goes_on_behind_the_last_label(folder: Path) -> None:
    with labelling(folder, "anna") as one:
        first = one.label_next("glass")
        one.process.kill()
    (folder / "labels-ben.csv").write_text("picture,label,by,at\nitem-1.jpg,gl")
    with labelling(folder, "anna") as again:
        assert "8 pictures in" in again.said
        assert "1 of them labelled" in again.said
        assert "passed over " in again.said
        assert "labels-ben.csv:2: expected picture,label,by,at" in again.said
        assert again.label_next("metal") != first
        end(again)


@pytest.mark.slow
def test_photos_of_fifty_megapixels_take_no_memory_to_speak_of(tmp_path: Path) -> None:
    folder = tmp_path / "photos"
    folder.mkdir()
    rows, columns = np.mgrid[:6144, :8160]
    _, jpeg = cv2.imencode(".jpg", np.dstack([rows // 32, columns // 32, (rows ^ columns) & 255]).astype(np.uint8))
    for number in range(6):
        (folder / f"IMG_{number}.jpg").write_bytes(jpeg)
    del rows, columns
    with labelling(folder, "anna") as one:
        before = peak_mb(one.process.pid)
        with ThreadPoolExecutor() as visitors:
            photos = [visitors.submit(one.photo, f"IMG_{number}.jpg") for number in range(6)]
            pictures = one.ask("GET", "many")["pictures"]
            assert isinstance(pictures, list)
            assert len(pictures) == 6
            assert [photo.result() for photo in photos] == [(1205, 1600, 3)] * 6
        assert peak_mb(one.process.pid) - before < 120
        end(one)


def test_the_labels_are_those_of_the_stations_bins(folder: Path, tmp_path: Path) -> None:
    residual = {"labels": [*ALL_BUT_PAPER, "cup"]}
    station = write_station(tmp_path, BIN, state_folder="state", bins={"residual": residual})
    with labelling(folder, "anna", "--station", station) as one:
        state = one.ask("GET", "next")["state"]
        assert isinstance(state, dict)
        assert state["labels"] == ["paper", *ALL_BUT_PAPER, "cup"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--by", "Anna Muster"], "name 'Anna Muster': expected letters (a to z)"),
        (["--by", "anna", "--labels", "Glass"], "label 'Glass': expected small letters"),
        (["--by", "anna", "--labels", " , two-things"], "there are no labels to give"),
        (["--by", "anna", "--random"], "no pictures in it or below that chance chose"),
        (["--by", "anna", "--host", "192.0.2.1"], "the page can't listen on 192.0.2.1"),
    ],
)
def test_a_mistake_is_one_sentence(folder: Path, options: list[str], message: str) -> None:
    command = [sys.executable, "-m", "edge", "label", str(folder), *options]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_S, check=False)
    assert done.returncode in (2, 9)
    assert message in done.stderr
    assert "Traceback" not in done.stderr
