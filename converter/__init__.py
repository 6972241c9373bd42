"""A trained model to a verified int8 bundle, and bundles to devices (workstation only)."""
