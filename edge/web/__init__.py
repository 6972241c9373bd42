"""The page: one look says what is sorted, what is not, why, and whether the station is well."""

from edge.web.app import build_app
from edge.web.server import PageServer

__all__ = ["PageServer", "build_app"]
