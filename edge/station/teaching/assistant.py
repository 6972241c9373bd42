"""Who stands at a simulated station while it is taught: puts one thing of the label through after the other."""

from __future__ import annotations

from typing import Final

from edge.clock import NS_PER_S
from edge.simulate.world.hand import Hand
from edge.simulate.world.world import World

_LOST_NS: Final = 12 * NS_PER_S
"""A thing that was not seen by then was missed."""


class Assistant:
    """Clears the place when teaching begins, and lets things come as before when it ends."""

    def __init__(self, world: World) -> None:
        self.labels = world.scene.labels
        self._world, self._hand = world, Hand(world)
        self._label, self._put_at = "", 0

    def show(self, label: str) -> None:
        """See to it that a thing of this label is on its way, and of no other."""
        now = self._world.clock.now()
        if label == self._label and now - self._put_at < _LOST_NS:
            return
        if label != self._label or self._world.station.belt is None:
            self._hand.clear()  # what lies on a plate does not drop meanwhile
        self._label, self._put_at = label, now
        if label in self.labels:
            self._hand.put(label)

    def seen(self) -> None:
        """The thing was seen: the next one is due."""
        self._put_at -= _LOST_NS

    def leave(self) -> None:
        """Let things come again, as they do by themselves."""
        if self._label:
            self._label = ""
            self._hand.clear()
            self._hand.feed()
