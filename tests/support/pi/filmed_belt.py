"""A stretch of the simulated belt as photos that a virtual camera can play again and again: it begins and ends empty."""

from __future__ import annotations

from dataclasses import dataclass

import cv2

from edge.clock import NS_PER_S, VirtualClock
from edge.config import Station
from edge.simulate.backend.camera import SimulatedCamera
from edge.simulate.world.belt import BeltScene
from edge.simulate.world.world import World

# Small photos, which the virtual camera makes larger: it keeps all of them in memory in each of three streams.
WIDTH = 640
QUALITY = 92


@dataclass(frozen=True)
class Film:
    """What is played, and what it shows.

    Args:
        labels: of the items, in the order in which they come.
    """

    photos: list[bytes]
    labels: list[str]


def film(station: Station, items: int) -> Film:
    """Film the first items that come, from the empty belt to the empty belt, at the frame rate of the station's camera."""
    clock = VirtualClock()
    world = World(station, clock)
    assert isinstance(world.scene, BeltScene)
    camera, photos = SimulatedCamera(world, clock), []
    gone_at = None
    while gone_at is None or clock.now() < gone_at:
        pixels = camera.read().pixels
        height = pixels.shape[0] * WIDTH // pixels.shape[1]
        small = cv2.resize(pixels, (WIDTH, height), interpolation=cv2.INTER_AREA)
        photo = cv2.imencode(".jpg", small[:, :, ::-1], [cv2.IMWRITE_JPEG_QUALITY, QUALITY])[1]
        photos.append(photo.tobytes())
        if gone_at is None and len(world.scene.items) == items:
            world.scene.stop_feeding()
            assert station.belt is not None
            view = world.scene.view
            gone_at = clock.now() + round((view.along_mm + 200) / station.belt.speed_mm_per_s * NS_PER_S)
    return Film(photos, [item.label for item in world.scene.items])
