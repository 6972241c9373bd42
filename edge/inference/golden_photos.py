"""Golden photos: the proof of the golden vectors begun one step earlier, before the crop.

A device may compute the very same network on other pixels: OpenCV's resize differs between versions and processors.
"""

from __future__ import annotations

import base64
import hashlib
import struct
from collections.abc import Sequence
from typing import Annotated

import cv2
import numpy as np
from pydantic import Base64Bytes, BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from edge.bundle.archive import GOLDEN_PHOTOS, Bundle
from edge.bundle.geometry import InputGeometry
from edge.bundle.manifest import Digest
from edge.bundle.pictures import encode_png
from edge.bundle.preprocess import prepare_crop
from edge.errors import BundleError
from edge.inference.interpreter import Codes, Inference
from edge.types import Box, Image

LARGEST_PIXELS = 4_000_000
_PNG_HEAD = struct.Struct(">8s4x4sII")
Side = Annotated[int, Field(ge=1, le=10_000)]
Corner = Annotated[int, Field(ge=-10_000, le=10_000)]


class GoldenPhoto(BaseModel):
    """A photo, where its item lies, and what comes of it. PNG, because it is the same pixels on every device: JPEG need not be."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    png: Base64Bytes = Field(description="the photo as PNG, base64")
    box: tuple[Corner, Corner, Side, Side] | None = Field(
        description="where its item lies: x, y, width, height, pixels; null: the whole photo"
    )
    input_sha256: Digest = Field(description="SHA-256 of the prepared crop's bytes (height, width, RGB)")
    output: tuple[int, ...] = Field(description="the network's raw output row")


_PHOTOS = TypeAdapter(Annotated[tuple[GoldenPhoto, ...], Field(min_length=1, max_length=16)])


def make_golden_photos(
    interpreter: Inference, photos: Sequence[tuple[Image, Box | None]], geometry: InputGeometry
) -> bytes:
    """golden-photos.json: these photos (height, width, 3), RGB, with what this machine makes of them."""
    made = []
    for pixels, box in photos:
        crop = prepare_crop(pixels, box, geometry)
        made.append(
            GoldenPhoto(
                png=base64.b64encode(encode_png(pixels)),
                box=None if box is None else (box.x, box.y, box.width, box.height),
                input_sha256=hashlib.sha256(crop.tobytes()).hexdigest(),
                output=tuple(int(code) for code in interpreter.run(crop)),
            )
        )
    return _PHOTOS.dump_json(tuple(made), indent=1)


def check_crops(bundle: Bundle) -> list[tuple[Image, Codes]]:
    """The prepared crops of the bundle's golden photos, with the outputs expected; none where it has no photos.

    Raises:
        BundleError: a photo can't be read, or this device makes another crop of it.
    """
    if GOLDEN_PHOTOS not in bundle.members:
        return []
    try:
        photos = _PHOTOS.validate_json(bundle.members[GOLDEN_PHOTOS])
    except ValidationError as error:
        raise BundleError(f"{bundle.source}: {GOLDEN_PHOTOS} is not valid ({error.errors()[0]['msg']})") from None
    kind = np.dtype(bundle.manifest.output.dtype)
    checked = []
    for number, photo in enumerate(photos, start=1):
        crop = _crop(photo, bundle, number)
        if hashlib.sha256(crop.tobytes()).hexdigest() != photo.input_sha256:
            raise BundleError(
                f"{bundle.source}: this device cuts golden photo {number} of {len(photos)} out in another way than the "
                f"model's maker did (OpenCV {cv2.__version__}), so the network would see other pixels than it learnt "
                "from: pip install --upgrade edge-sorter opencv-python-headless, or convert the model with this version"
            )
        limits = np.iinfo(kind)
        if len(photo.output) != bundle.manifest.outputs or not all(
            limits.min <= code <= limits.max for code in photo.output
        ):
            raise BundleError(
                f"{bundle.source}: expected {bundle.manifest.outputs} {kind} outputs of golden photo {number}"
            )
        checked.append((crop, np.array(photo.output, kind)))
    return checked


def _crop(photo: GoldenPhoto, bundle: Bundle, number: int) -> Image:
    try:
        magic, head, width, height = _PNG_HEAD.unpack_from(photo.png)
        # Looked at before it is decoded: a small PNG can be a picture of gigabytes.
        if magic == b"\x89PNG\r\n\x1a\n" and head == b"IHDR" and 0 < width * height <= LARGEST_PIXELS:
            pixels = cv2.imdecode(np.frombuffer(photo.png, np.uint8), cv2.IMREAD_COLOR)
            if pixels is not None:
                box = None if photo.box is None else Box(*photo.box)
                return prepare_crop(np.asarray(cv2.cvtColor(pixels, cv2.COLOR_BGR2RGB)), box, bundle.manifest.geometry)
    except (struct.error, cv2.error, ValueError):
        pass
    raise BundleError(
        f"{bundle.source}: golden photo {number} can't be used: expected a PNG of at most {LARGEST_PIXELS} pixels and a "
        "box in it: build the bundle anew"
    )
