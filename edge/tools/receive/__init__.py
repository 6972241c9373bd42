"""`sorter receive`: the device's end of a push or pull."""
