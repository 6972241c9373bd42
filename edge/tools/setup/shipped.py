"""Finds the files of systemd's that came with this installation."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

from edge.errors import SetupError

_CHECKOUT = Path(__file__).resolve().parents[3] / "systemd"


def shipped_folder() -> Path:
    """Return the folder with the units and their companions: of the wheel, or of the checkout.

    Raises:
        SetupError: they are nowhere.
    """
    try:
        installed = [file.locate() for file in files("edge-sorter") or [] if file.name == "sorter.service"]
    except PackageNotFoundError:
        installed = []
    for unit in [*(Path(str(path)) for path in installed), _CHECKOUT / "sorter.service"]:
        if unit.is_file():
            return unit.resolve().parent
    raise SetupError(
        "the systemd units are missing from this installation; install the wheel anew: "
        "pip install --force-reinstall edge_sorter-*.whl"
    )
