"""What several test folders share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="session")
def data_dir() -> Path:
    """The folder with the photo sets: $SORTER_DATA, or ../shared/data beside the checkout."""
    folder = Path(os.environ.get("SORTER_DATA", ROOT.parent / "shared" / "data"))
    if not (folder / "waste" / "train.txt").is_file():
        pytest.fail(f"the photo sets are not in {folder}: set SORTER_DATA to the folder that holds waste/train.txt")
    return folder
