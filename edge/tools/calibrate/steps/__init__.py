"""The steps of a calibration, one file each."""
