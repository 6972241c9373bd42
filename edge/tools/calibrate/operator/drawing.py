"""The region drawn by a person in a browser, served by the terminal's own thread for as long as it takes."""

from __future__ import annotations

from edge.errors import CalibrationError, ConfigError
from edge.tools.calibrate.operator.operator import NOBODY, Operator
from edge.tools.calibrate.rig import MeasurementRig
from edge.types import Box


def draw_region(rig: MeasurementRig, operator: Operator, start: Box, host: str | None = None) -> Box:
    """Serve a page with the camera's picture until a region was drawn on it; `host` is where it listens.

    Raises:
        CalibrationError: the page was left without one.
        SorterError: the camera gives no pictures, or the address can't be used.
    """
    from edge.web.region import RegionPage
    from edge.web.serving.server import PageServer

    if not operator.is_there:
        raise CalibrationError(NOBODY)
    station, settings = rig.station, rig.station.page
    host, names = host or settings.host, (settings.host, *settings.names)
    page = RegionPage(station.name, rig.size, start, lambda: rig.frame().pixels, names, station.language)
    try:
        server = PageServer(page.app, host, settings.port)
    except ConfigError:  # any other port will do
        server = PageServer(page.app, host, 0)
    operator.say(f"Open {server.where(page.path)} in a browser and draw the region; Ctrl-C stops.")
    if host in ("127.0.0.1", "localhost", "::1"):
        operator.say(
            f"From another machine: `ssh -L {server.port}:localhost:{server.port}` to this one, or "
            "`sorter calibrate camera --draw --host 0.0.0.0`, opened at this machine's address."
        )
    server.serve()
    if page.failure is not None:
        raise page.failure
    if page.drawn is None:
        raise CalibrationError("the page was left without a region; give it with --region X Y WIDTH HEIGHT")
    drawn = page.drawn
    operator.say(f"Drawn: {drawn.width} x {drawn.height} at ({drawn.x}, {drawn.y}).")
    return drawn
