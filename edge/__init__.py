"""edge-sorter on the device: camera frames in, sorted items and a journal out."""

__version__ = "0.1.0"
