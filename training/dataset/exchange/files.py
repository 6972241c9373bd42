"""The files of an export, in a folder or a .zip: what is outside of it, or a link, is never read."""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
import unicodedata
import zipfile
import zlib
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import Any
from urllib.parse import unquote

from edge.bundle.photo_tree import is_hidden, is_photo
from edge.errors import DatasetError
from edge.system.files import read_regular
from edge.system.text import NotTextError, decode_text
from training.dataset.exchange.entries import Found

MOST_BYTES = 1 << 30
"""Of one file of labels; the largest of COCO itself has half of it."""
MOST_FILES = 2_000_000  # of a .zip
MOST_GROWTH = 200  # photos hardly shrink in a .zip, and lists to a tenth
SMALL = 1 << 26  # whatever grows to no more than this is no bomb
_LABELS = frozenset({".json", ".csv", ".txt", ".xml", ".yaml", ".yml", ".toml", ".names"})
_BROKEN = (zipfile.BadZipFile, zlib.error, EOFError, RuntimeError, NotImplementedError, ValueError, OSError)
_UPLOADED = re.compile(r"^[0-9a-f]{8}-(?=.)")  # what Label Studio puts in front of a name


class Files:
    """The regular files below a folder, and the pictures that an export's references may mean.

    `only` is the one file of labels that is to be read; `pictures` is where pictures lie if not beside them.
    """

    def __init__(self, root: Path, only: Path | None = None, pictures: Path | None = None) -> None:
        self.root = root
        self.only = only
        self.links: dict[str, None] = {}
        self.broken: list[DatasetError] = []
        self._files = [only] if only is not None else list(self._walk(root))
        self.pictures = [path for path in self._walk(pictures or root) if is_photo(path)]
        self._pictures_root = pictures or root
        self._by_name: dict[str, list[Path]] = defaultdict(list)
        for path in self.pictures:
            self._by_name[_same(path.name)].append(path)
        self._folders = {_same(path.parent.name) for path in self.pictures}
        self._json: dict[Path, Any] = {}

    def _walk(self, root: Path) -> Iterator[Path]:
        def refuse(error: OSError) -> None:
            raise DatasetError(f"{error.filename}: can't list this folder ({error.strerror}): correct its rights")

        for parent, folders, names in os.walk(root, onerror=refuse):
            folders[:] = sorted(name for name in folders if not is_hidden(name))
            self.links |= {str(Path(parent, name)): None for name in folders if Path(parent, name).is_symlink()}
            for path in (Path(parent, name) for name in sorted(names) if not is_hidden(name)):
                kind = path.lstat().st_mode
                if stat.S_ISLNK(kind):
                    self.links[str(path)] = None
                elif stat.S_ISREG(kind):
                    yield path

    def of_kind(self, *suffixes: str) -> list[Path]:
        """The files with one of these suffixes, in order of their paths."""
        return sorted(path for path in self._files if path.suffix.lower() in suffixes)

    def every(self, *suffixes: str) -> list[Path]:
        """The same, also where only one file is to be read, and among the pictures."""
        roots = dict.fromkeys((self.root, self._pictures_root))
        return sorted({path for root in roots for path in self._walk(root) if path.suffix.lower() in suffixes})

    def likely_place(self, picture: Path, old: str, new: str) -> Path:
        """The folder that is to `new` what the picture's is to `old`: the last of that name is taken."""
        parts = list(picture.parent.relative_to(self._pictures_root).parts)
        if old in parts:
            parts[len(parts) - 1 - parts[::-1].index(old)] = new
        return self._pictures_root.joinpath(*parts)

    def name(self, path: Path) -> str:
        """How a file is called in messages: its path from the export's folder."""
        for root in (self.root, self._pictures_root):
            if path.is_relative_to(root):
                return path.relative_to(root).as_posix()
        return str(path)

    def content(self, path: Path, most: int = MOST_BYTES) -> bytes:
        """The content of a file of labels.

        Raises:
            DatasetError: it can't be read.
        """
        try:
            return read_regular(path, most, follow=False)
        except OSError as error:
            raise DatasetError(f"{self.name(path)}: can't read it ({error.strerror}): correct its rights") from None

    def text(self, path: Path, most: int = MOST_BYTES) -> str:
        """The text of a file of labels.

        Raises:
            DatasetError: it is not UTF-8, or can't be read.
        """
        try:
            return decode_text(self.content(path, most))
        except NotTextError as error:
            raise DatasetError(f"{self.name(path)}: {error}") from None

    def parsed(self, path: Path) -> Any:
        """What a JSON file says; read once.

        Raises:
            DatasetError: it is no JSON.
        """
        if path not in self._json:
            try:
                self._json[path] = json.loads(self.text(path))
            except json.JSONDecodeError as error:
                raise DatasetError(
                    f"{self.name(path)}: not valid JSON (line {error.lineno}, column {error.colno}: {error.msg}): "
                    "export it again"
                ) from None
            except (RecursionError, ValueError):
                raise DatasetError(f"{self.name(path)}: no JSON of an export: export it again") from None
        return self._json[path]

    def jsons(self) -> Iterator[tuple[Path, Any]]:
        """All JSON files and what they say; those that are broken are kept in `broken`."""
        for path in self.of_kind(".json"):
            try:
                yield path, self.parsed(path)
            except DatasetError as error:
                self.broken.append(error)

    def picture(self, reference: str, near: Path, found: Found, where: str) -> Path | None:
        """The picture that a reference means: a path from here, from another person's disk, or a URL.

        Only pictures of this export are looked at, so a reference leads to nothing else. None, which is noted, if
        there is none, or more than one that fit equally well.
        """
        parts = _parts(reference)
        beside = [_same(part) for part in near.parent.relative_to(self.root).parts] if near != self.root else []
        named = self._by_name.get(_same(parts[-1]), []) if parts else []
        if not named and parts:
            named = self._by_name.get(_same(_UPLOADED.sub("", parts[-1])), [])
        fits = {path: self._likeness(path, parts, beside) for path in named}
        if len(parts) > 1 and _same(parts[-2]) in self._folders:  # glass/1.jpg is not metal/1.jpg
            fits = {path: fit for path, fit in fits.items() if fit[0]}
        best = [path for path, fit in fits.items() if fit == max(fits.values())]
        if len(best) == 1:
            return best[0]
        reason = "pictures that could be more than one file" if best else "pictures that are not there"
        found.passed_over.add(reason, f"{where}: {reference[:200]}")
        return None

    def _likeness(self, path: Path, parts: list[str], beside: list[str]) -> tuple[int, int]:
        """How many folders agree, from the picture upwards, with the reference, and then with the labels' own folder."""
        own = [_same(part) for part in path.relative_to(self._pictures_root).parts[:-1]]
        given = [_same(part) for part in parts[:-1]]
        return _common(own[::-1], given[::-1]), _common(own, beside)


def _common(one: list[str], other: list[str]) -> int:
    return next((at for at, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other)))


def _same(name: str) -> str:
    """A name without what differs from system to system: how accents are written, and small or capital letters."""
    return unicodedata.normalize("NFC", name).casefold()


def _parts(reference: str) -> list[str]:
    """The folders and the name of a reference: `C:\\x\\y.jpg`, `s3://bucket/y.jpg`, `/data/local-files/?d=x/y.jpg`."""
    if "?d=" in reference:
        reference = unquote(reference.partition("?d=")[2])
    elif "://" in reference:
        reference = unquote(reference.partition("?")[0])
    elif reference.startswith("/data/"):
        reference = unquote(reference)
    return [part for part in reference.replace("\\", "/").split("/") if part not in ("", ".", "..")]


def unpack(archive: Path, folder: Path) -> None:
    """Unpack the pictures and labels of a .zip; nothing of it lands outside of the folder.

    Raises:
        DatasetError: it is damaged or has a password, or it is hostile: names that lead elsewhere, links, a bomb.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = [member for member in opened.infolist() if not member.is_dir()]
            _check(archive, members, folder)
            for member in members:
                name = _member_name(archive, member)
                if not any(is_hidden(part) for part in name.parts) and _is_wanted(name):
                    target = folder / name
                    target.parent.mkdir(parents=True, exist_ok=True)
                    with opened.open(member) as source, target.open("xb") as copy:
                        shutil.copyfileobj(source, copy, 1 << 20)
    except FileExistsError as error:
        raise DatasetError(f"{archive}: {Path(error.filename).name} is in it twice: unpack it and look") from None
    except _BROKEN as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise DatasetError(f"{archive}: can't be unpacked ({error.strerror})") from error
        raise DatasetError(
            f"{archive}: damaged, or a .zip of a kind that is not read ({error}): fetch it again"
        ) from None


def _is_wanted(name: PurePosixPath) -> bool:
    return is_photo(Path(name)) or name.suffix.lower() in _LABELS


def _check(archive: Path, members: list[zipfile.ZipInfo], folder: Path) -> None:
    if any(member.flag_bits & 1 for member in members):
        raise DatasetError(f"{archive}: it has a password: unpack it and give the folder")
    if len(members) > MOST_FILES:
        raise DatasetError(f"{archive}: {len(members)} files in it, expected {MOST_FILES} at most")
    size, packed = sum(member.file_size for member in members), archive.stat().st_size
    if size > max(SMALL, MOST_GROWTH * packed):
        raise DatasetError(f"{archive}: {packed} bytes that would become {size}: no export of photos is like this")
    if size > shutil.disk_usage(folder).free:
        raise DatasetError(f"{archive}: needs {size / 1e9:.1f} GB of room beside the data set: make room")


def _member_name(archive: Path, member: zipfile.ZipInfo) -> PurePosixPath:
    raw = member.filename
    if not member.flag_bits & 0x800:  # many write UTF-8 without saying so
        try:
            raw = raw.encode("cp437").decode("utf-8")
        except UnicodeError:
            raw = member.filename
    name = PurePosixPath(raw.replace("\\", "/"))
    if name.is_absolute() or ".." in name.parts or ":" in name.parts[0]:
        raise DatasetError(f"{archive}: {raw!r} in it leads outside of it: this is no export; nothing was imported")
    if stat.S_ISLNK(member.external_attr >> 16):
        raise DatasetError(f"{archive}: {raw!r} in it is a link: this is no export; nothing was imported")
    return name
