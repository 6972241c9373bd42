"""What `sorter pull` brings home, labelled: two stations, several looks at an item."""

from __future__ import annotations

from pathlib import Path

from support.exports import save

LABELS = {
    "line-1": {
        "0a1b2c3d-00000001.png": "can",
        "0a1b2c3d-00000001-2.png": "can",
        "0a1b2c3d-00000002.png": "none-of-these",
        "0a1b2c3d-00000003.png": "two-things",
        "0a1b2c3d-00000004.png": "pet_clear",
    },
    "pi@line-2": {"0a1b2c3d-00000001.png": "can", "bin.png": "can"},
}


def write_labelled(root: Path) -> Path:
    """STATION/pictures/PICTURE, with labels-anna.csv beside the pictures."""
    seed = 0
    for station, labels in LABELS.items():
        folder = root / station / "pictures"
        rows = ["picture,label,by,at"]
        for name, label in labels.items():
            save(folder / name, seed := seed + 1)
            rows.append(f"{name},{label},anna,2026-11-20T10:00:{seed:02}Z")
        (folder / "labels-anna.csv").write_text("\n".join(rows) + "\n")
    return root
