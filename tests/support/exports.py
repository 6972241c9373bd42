"""Exports of other tools, written by hand after their documentation: two pictures, with a bottle, a can and a cup."""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
from PIL import Image as Pillow

SIZE = (160, 120)
BOXES = {"Grüne Flasche #1": (20, 10, 80, 70), "can": (90, 60, 155, 118)}  # left, top, right, bottom
CUP = (40, 30, 100, 90)


def scene(seed: int, size: tuple[int, int] = SIZE) -> np.ndarray:
    """Uint8 (height, width, 3): no two seeds are alike."""
    rng = np.random.default_rng(seed)
    return np.asarray(cv2.resize(rng.integers(0, 255, (6, 8, 3)).astype(np.uint8), size), dtype=np.uint8)


def save(path: Path, seed: int, size: tuple[int, int] = SIZE) -> Path:
    """Write a picture; its suffix says of which kind."""
    path.parent.mkdir(parents=True, exist_ok=True)
    Pillow.fromarray(scene(seed, size)).save(path)
    return path


def _pictures(folder: Path) -> None:
    save(folder / "bin 1 #2.png", 1)
    save(folder / "Tüte.png", 2)


def write_coco(root: Path) -> Path:
    """As COCO documents it, in a file a folder, as Roboflow writes it."""
    _pictures(root / "train")
    names = [*BOXES, "Pappbecher"]
    boxes = [(1, name, box) for name, box in BOXES.items()] + [(2, "Pappbecher", CUP)]
    tree = {
        "info": {"url": "https://example.org/bins"},
        "licenses": [{"id": 1, "url": "https://creativecommons.org/licenses/by/4.0/", "name": "CC BY 4.0"}],
        "categories": [{"id": 0, "name": "things", "supercategory": "none"}]
        + [{"id": at, "name": name, "supercategory": "things"} for at, name in enumerate(names, 1)],
        "images": [
            {"id": at, "license": 1, "file_name": name, "height": SIZE[1], "width": SIZE[0]}
            for at, name in ((1, "bin 1 #2.png"), (2, "Tüte.png"))
        ],
        "annotations": [
            {
                "id": at,
                "image_id": image,
                "category_id": names.index(name) + 1,
                "bbox": [box[0], box[1], box[2] - box[0], box[3] - box[1]],
                "area": 3600,
                "segmentation": [],
                "iscrowd": 0,
            }
            for at, (image, name, box) in enumerate(boxes)
        ],
    }
    (root / "train" / "_annotations.coco.json").write_text(json.dumps(tree), encoding="utf-8")
    return root


def write_yolo(root: Path) -> Path:
    """As Ultralytics documents it, in the folders of Roboflow."""
    _pictures(root / "train" / "images")
    labels = root / "train" / "labels"
    labels.mkdir()
    names = [*BOXES, "Pappbecher"]
    lines = [_yolo_line(at, box) for at, box in enumerate(BOXES.values())]
    (labels / "bin 1 #2.txt").write_text("\n".join(lines))
    (labels / "Tüte.txt").write_text(_yolo_line(2, CUP) + "\n")
    (root / "data.yaml").write_text(
        f"train: ../train/images\nval: ../valid/images\n\nnc: 3\nnames: {json.dumps(names, ensure_ascii=False)}\n\n"
        "roboflow:\n  license: CC BY 4.0\n  url: https://example.org/bins\n",
        encoding="utf-8",
    )
    return root


def _yolo_line(number: int, box: tuple[int, int, int, int]) -> str:
    left, top, right, bottom = box
    values = (
        (left + right) / 2 / SIZE[0],
        (top + bottom) / 2 / SIZE[1],
        (right - left) / SIZE[0],
        (bottom - top) / SIZE[1],
    )
    return f"{number} " + " ".join(map(str, values))


def write_voc(root: Path) -> Path:
    """As labelImg writes it, with the path of the disk where it was done."""
    _pictures(root)
    for stem, things in (("bin 1 #2", BOXES), ("Tüte", {"Pappbecher": CUP})):
        objects = "".join(
            f"<object><name>{name}</name><pose>Unspecified</pose><truncated>0</truncated><difficult>0</difficult><bndbox>"
            f"<xmin>{box[0]}</xmin><ymin>{box[1]}</ymin><xmax>{box[2]}</xmax><ymax>{box[3]}</ymax></bndbox></object>"
            for name, box in things.items()
        )
        (root / f"{stem}.xml").write_text(
            f"<annotation><folder>x</folder><filename>{stem}.png</filename><path>C:\\Users\\x\\{stem}.png</path>"
            f"<size><width>{SIZE[0]}</width><height>{SIZE[1]}</height><depth>3</depth></size>{objects}</annotation>",
            encoding="utf-8",
        )
    return root


def write_label_studio(root: Path) -> Path:
    """As Label Studio documents the tasks that it exports; names as it makes them when a picture is uploaded."""
    _pictures(root / "media")
    tasks = [
        _task(1, "/data/upload/3/0a1b2c3d-bin%201%20%232.png", BOXES),
        _task(2, "/data/local-files/?d=work/media/T%C3%BCte.png", {"Pappbecher": CUP}),
    ]
    (root / "project-3.json").write_text(json.dumps(tasks))
    return root


def _task(number: int, image: str, things: dict[str, tuple[int, int, int, int]]) -> dict[str, object]:
    results = [
        {
            "id": f"r{at}",
            "type": "rectanglelabels",
            "from_name": "label",
            "to_name": "image",
            "original_width": SIZE[0],
            "original_height": SIZE[1],
            "image_rotation": 0,
            "value": {
                "x": 100 * box[0] / SIZE[0],
                "y": 100 * box[1] / SIZE[1],
                "width": 100 * (box[2] - box[0]) / SIZE[0],
                "height": 100 * (box[3] - box[1]) / SIZE[1],
                "rotation": 0,
                "rectanglelabels": [name],
            },
        }
        for at, (name, box) in enumerate(things.items())
    ]
    annotation = {"id": number, "was_cancelled": False, "ground_truth": False, "result": results}
    return {"id": number, "data": {"image": image}, "annotations": [annotation], "predictions": []}


def write_csv(root: Path) -> Path:
    """As TensorFlow's examples have it, and Roboflow writes it."""
    _pictures(root / "test")
    rows = ["filename,width,height,class,xmin,ymin,xmax,ymax"]
    rows += [",".join(map(str, ("bin 1 #2.png", *SIZE, name, *box))) for name, box in BOXES.items()]
    rows.append(",".join(map(str, ("Tüte.png", *SIZE, "Pappbecher", *CUP))))
    (root / "test" / "_annotations.csv").write_text("\n".join(rows), encoding="utf-8")
    return root


def write_multi_label(root: Path) -> Path:
    """As Roboflow writes its "Multi-Label Classification": blanks before the classes, and a column of its own for none."""
    _pictures(root / "train")
    rows = ["filename, Grüne Flasche #1, can, Pappbecher, Unlabeled"]
    rows += ["bin 1 #2.png, 0, 1, 0, 0", "Tüte.png, 0, 0, 1, 0"]
    (root / "train" / "_classes.csv").write_text("\n".join(rows) + "\n", encoding="utf-8")
    return root


def write_folders(root: Path) -> Path:
    """Crops as the others become them, a folder a label."""
    for name, seed, box in (*((name, 1, box) for name, box in BOXES.items()), ("Pappbecher", 2, CUP)):
        left, top, right, bottom = box
        border = round(0.15 * max(right - left, bottom - top))
        pixels = scene(seed)[max(top - border, 0) : bottom + border, max(left - border, 0) : right + border]
        path = root / "train" / name / "1.png"
        path.parent.mkdir(parents=True)
        Pillow.fromarray(pixels).save(path)
    return root


WRITERS = {
    "coco": write_coco,
    "yolo": write_yolo,
    "voc": write_voc,
    "label-studio": write_label_studio,
    "csv": write_csv,
    "folders": write_folders,
}
