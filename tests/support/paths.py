"""Where the repository's own files are, for tests in whatever folder."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
STATIONS = ROOT / "edge" / "stations"
