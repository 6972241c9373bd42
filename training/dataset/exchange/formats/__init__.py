"""The formats by name, in the order in which they are looked for."""

from __future__ import annotations

from collections.abc import Mapping

from training.dataset.exchange.formats.base import Format, WritableFormat
from training.dataset.exchange.formats.coco import Coco
from training.dataset.exchange.formats.csv_lists import CsvLists
from training.dataset.exchange.formats.folders import Folders
from training.dataset.exchange.formats.label_studio import LabelStudio
from training.dataset.exchange.formats.labelled import Labelled
from training.dataset.exchange.formats.multi_label import MultiLabel
from training.dataset.exchange.formats.voc import Voc
from training.dataset.exchange.formats.yolo import Yolo

WRITABLE: Mapping[str, WritableFormat] = {
    one.name: one for one in (Coco(), LabelStudio(), Yolo(), CsvLists(), Folders())
}
FORMATS: Mapping[str, Format] = {one.name: one for one in (Labelled(), Voc(), MultiLabel())} | dict(WRITABLE)
