"""Every file that a person may write is read as editors save it."""

from __future__ import annotations

import ast
import codecs
from collections.abc import Callable
from pathlib import Path

import pytest
import tomli_w
from support.paths import ROOT

from converter.fleet.inventory import load_inventory
from edge.config.calibration.files import load_calibration
from edge.config.calibration.record import Calibration
from edge.errors import SorterError
from edge.models.quick import store_folder
from edge.station.stops.safe_outputs import read_safe_outputs
from edge.system.text import NotTextError, decode_text
from training.recipe import SHIPPED, load_recipe

FLAP = (ROOT / "edge" / "stations" / "bin-flap.toml").read_bytes()
INVENTORY = b'[groups.hall]\nhosts = ["line-1"]\n'
CALIBRATION = tomli_w.dumps(Calibration(station="line-1").model_dump(exclude_none=True)).encode()
RECIPE = (SHIPPED / "waste.toml").read_bytes()

READERS: dict[str, tuple[bytes, Callable[[Path], object]]] = {
    "inventory.toml": (INVENTORY, load_inventory),
    "recipe.toml": (RECIPE, lambda path: load_recipe(str(path))),
    "calibration.toml": (CALIBRATION, lambda path: load_calibration(path.parent)),
}
# What `sorter safe` and a push read without the checked settings.
LENIENT: dict[str, Callable[[Path], object]] = {
    "sorter safe": lambda path: [output.name for output in read_safe_outputs(path).outputs],
    "a push": store_folder,
}


@pytest.mark.parametrize("name", READERS)
def test_a_byte_order_mark_and_line_ends_of_windows_change_nothing(name: str, tmp_path: Path) -> None:
    content, read = READERS[name]
    path = tmp_path / name
    path.write_bytes(content)
    plain = read(path)
    path.write_bytes(codecs.BOM_UTF8 + content.replace(b"\n", b"\r\n"))
    assert read(path) == plain


@pytest.mark.parametrize("name", READERS)
@pytest.mark.parametrize(
    ("damage", "said"),
    [
        (lambda content: content.decode().encode("utf-16"), "iconv -f UTF-16"),
        (lambda content: content + b"\nname = \xe4\n", "is not UTF-8"),
        (lambda content: content + b'\n["x"]\na = 0,3\n', "a point, not a comma: 0.3"),
    ],
    ids=["UTF-16", "Latin-1", "a decimal comma"],
)
def test_what_can_not_be_read_is_named_with_its_cure(
    name: str, damage: Callable[[bytes], bytes], said: str, tmp_path: Path
) -> None:
    content, read = READERS[name]
    (tmp_path / name).write_bytes(damage(content))
    with pytest.raises(SorterError) as caught:
        read(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)
    assert said in str(caught.value)


@pytest.mark.parametrize("reader", LENIENT)
def test_a_station_file_with_a_byte_order_mark_is_the_same_station_to(reader: str, tmp_path: Path) -> None:
    path = tmp_path / "station.toml"
    path.write_bytes(FLAP)
    plain = LENIENT[reader](path)
    assert plain
    path.write_bytes(codecs.BOM_UTF8 + FLAP)
    assert LENIENT[reader](path) == plain


def test_utf_16_is_told_from_a_damaged_file() -> None:
    for encoding in ("utf-16", "utf-16-le", "utf-16-be"):
        with pytest.raises(NotTextError, match="saved as UTF-16"):
            decode_text('name = "line-1"\n'.encode(encoding))
    with pytest.raises(NotTextError, match="line 2 has a zero byte"):
        decode_text(b'kind = "bin"\nname = "li\0ne"\n')
    assert decode_text(b"") == ""


def test_every_toml_file_is_read_in_one_place() -> None:
    readers = {
        str(path.relative_to(ROOT))
        for package in ("edge", "training", "converter")
        for path in (ROOT / package).rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.Import) and any(alias.name == "tomllib" for alias in node.names)
    }
    assert readers == {
        "edge/system/toml.py",
        "edge/station/stops/safe_outputs.py",
        "edge/words/languages.py",
    }  # `sorter safe` reads what is broken, line by line; translations are the product's own and below everything
