"""A person at the simulated station: lays the sheet down, puts items on, takes things away, presses and covers inputs."""

from __future__ import annotations

from edge.clock import ms
from edge.simulate.world.surroundings import Paper
from edge.simulate.world.world import World

# A contact opens and closes at these instants after it is touched.
_BOUNCES_MS = (0.0, 0.8, 1.6, 2.4, 3.2)


class Hand:
    """Reaches into a world, from whatever thread."""

    def __init__(self, world: World) -> None:
        self._world = world

    def clear(self) -> None:
        """Let no more items come, and take away whatever lies under the camera."""
        world = self._world
        world.stop_feeding()
        with world.lock:
            world.surroundings.paper = None
            world.scene.clear()

    def feed(self) -> None:
        """Take the sheet away, and let items come again from now on."""
        world = self._world
        with world.lock:
            world.surroundings.paper = None
            world.scene.resume_feeding(world.clock.now())

    def put(self, label: str = "") -> None:
        """Let one item come now, of a label or of whatever there are photos."""
        world = self._world
        with world.lock:
            world.scene.put(label or world.scene.labels[0], world.clock.now())

    def lay_paper(self, middle: tuple[float, float], rides: bool, turn_degrees: float) -> None:
        """Lay the printed sheet down with its middle at a share of the picture's width and height."""
        world, camera, belt = self._world, self._world.station.camera, self._world.station.belt
        ways = {"right": (1, 0), "left": (-1, 0), "down": (0, 1), "up": (0, -1)}
        with world.lock:
            way = ways[belt.direction] if rides and belt is not None else (0, 0)
            scale = world.camera.mm_per_pixel
            place = middle[0] * camera.width * scale, middle[1] * camera.height * scale
            world.surroundings.paper = Paper(place, world.surface.position(world.clock.now()), way, turn_degrees)

    def touch(self, pin: int, active: bool) -> None:
        """Activate an input, or let go of it; its contact bounces for some milliseconds."""
        world = self._world
        now = world.clock.now()
        with world.lock:
            for n, after_ms in enumerate(_BOUNCES_MS):
                level = (not active) == (n % 2 == 0)
                world.events.at(now + ms(after_ms), lambda at, level=level: world.input_pins.set(pin, level))  # type: ignore[misc]
        world.run_due(now)
