"""Pictures as they are kept in a data set and in exports: upright, 8-bit RGB, without what a camera wrote into them."""

from __future__ import annotations

import io
from pathlib import Path

from edge.bundle.photo import MOST_BYTES, load_photo
from edge.bundle.pictures import cut_out, encode_jpeg, encode_png
from edge.system.files import read_regular
from edge.types import Box, Image

_PLAIN = frozenset({"jfif", "jfif_version", "jfif_unit", "jfif_density", "dpi", "progressive", "progression"})


class Picture:
    """A photo that was read; `pixels` is uint8 (height, width, 3) RGB, upright."""

    def __init__(self, path: Path) -> None:
        """Read it.

        Raises:
            PhotoError: it can't be read, see `load_photo`.
        """
        self.path = path
        self.pixels: Image = load_photo(path)

    @property
    def size(self) -> tuple[int, int]:
        """Width and height, pixels."""
        return self.pixels.shape[1], self.pixels.shape[0]

    def encoded(self, cut: Box | None = None) -> tuple[bytes, str]:
        """The file of the photo, or of what is cut out of it, and its suffix.

        A JPEG that is kept whole and says nothing of its camera stays as it is, byte by byte: nothing is lost however
        often it is exported and imported. What is PNG stays without loss.
        """
        pixels = self.pixels if cut is None else cut_out(self.pixels, cut)
        assert pixels is not None
        if self.path.suffix.lower() == ".png":
            return encode_png(pixels), ".png"
        if cut is None and (content := self._plain_jpeg()):
            return content, ".jpg"
        return encode_jpeg(pixels), ".jpg"

    def _plain_jpeg(self) -> bytes:
        """The file's content if it is an RGB JPEG with pixels and nothing else, or else nothing."""
        from PIL import Image as Pillow

        content = read_regular(self.path, MOST_BYTES)
        try:
            with Pillow.open(io.BytesIO(content), formats=("JPEG",)) as picture:
                return content if picture.mode == "RGB" and set(picture.info) <= _PLAIN else b""
        except OSError:
            return b""
