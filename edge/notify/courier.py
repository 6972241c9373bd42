"""Takes messages about faults to one place: one after the other, again where that failed, and never more than some waiting."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from threading import Event
from typing import Protocol

from edge.errors import NotifyError
from edge.health.faults import Fault, FaultKind
from edge.interfaces import Clock
from edge.notify.alerts import Alerts
from edge.notify.channel import LOOK_NS, Tries
from edge.notify.message import Message, test_message, write_message

log = logging.getLogger(__name__)

MOST_WAITING = 100
"""Messages that wait for a server; of more, the oldest go."""


class Destination(Protocol):
    """Where messages go."""

    @property
    def name(self) -> str: ...

    @property
    def place(self) -> str:
        """Where that is, for people; nothing secret is in it."""
        ...

    def deliver(self, message: Message) -> None:
        """Hand the message over; takes seconds, and no longer than some of its answers are waited for.

        Raises:
            NotifyError: why it was not taken.
        """
        ...


class Courier:
    """The channel of one destination; `read` returns the faults that are there now."""

    def __init__(
        self,
        destination: Destination,
        alerts: Alerts,
        station: str,
        read: Callable[[], Sequence[Fault]],
        clock: Clock,
        tries: Tries,
    ) -> None:
        self._destination, self._alerts, self._station = destination, alerts, station
        self._read, self._clock, self._tries = read, clock, tries
        self._waiting: deque[Message] = deque(maxlen=MOST_WAITING)
        self._next_try_at = 0
        self.name, self.place, self.trouble = destination.name, destination.place, ""

    def run(self, stop: Event) -> None:
        """Deliver until `stop` is set; a program error is noted, and delivering goes on after a wait."""
        while not stop.is_set():
            try:
                self.turn(stop)
            except Exception:
                log.exception("%s: telling of faults failed", self.name)
                self._failed("a program error: see `journalctl -u sorter`")
            self._clock.sleep_until(self._clock.now() + LOOK_NS, stop)

    def turn(self, stop: Event) -> None:
        """Look at the faults, and deliver what waits as long as that goes well."""
        self._look()
        while self._waiting and not stop.is_set() and self._clock.now() >= self._next_try_at:
            try:
                self._destination.deliver(self._waiting[0])
            except NotifyError as error:
                self._failed(str(error))
                return
            self._waiting.popleft()
            self._tries.succeeded()
            self.trouble = ""
            self._look()  # what came meanwhile

    def test(self) -> str:
        """Deliver a test message, and return where it went.

        Raises:
            NotifyError: why it could not be delivered.
        """
        self._destination.deliver(test_message(self._station, self._clock))
        return self.place

    def _look(self) -> None:
        # A mail that can't be sent is not told of by mail.
        faults = [f for f in self._read() if not (f.kind is FaultKind.NOTIFY_DOWN and _is_about(f, self.name))]
        for alert in self._alerts.look(faults, self._clock.now()):
            if len(self._waiting) == MOST_WAITING:
                log.error("%s: dropped, as too many wait: %s", self.name, self._waiting[0].title)
            self._waiting.append(write_message(alert, self._station, self._clock))

    def _failed(self, why: str) -> None:
        before, self.trouble = self.trouble, why
        self._next_try_at = self._clock.now() + self._tries.next_wait()
        if why != before:
            log.warning("%s: %s; it is tried again", self.name, why)


def _is_about(fault: Fault, name: str) -> bool:
    return fault.detail.startswith(f"{name}: ")
