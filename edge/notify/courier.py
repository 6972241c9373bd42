"""Takes messages about faults to one place: one after the other, again where that failed, and never more than some waiting."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from threading import Event
from typing import Protocol

from edge.errors import NotifyError
from edge.health.faults import Fault, FaultKind
from edge.health.retry import FaultKey
from edge.interfaces import Clock
from edge.notify.alerts import AlertKind, Alerts
from edge.notify.channel import LOOK_NS, Tries
from edge.notify.message import Message, test_message, write_message
from edge.notify.told import ToldFaults
from edge.words import ENGLISH

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


@dataclass
class Courier:
    """The channel of one destination; `read` returns the faults that are there now, `told` keeps what was delivered."""

    destination: Destination
    alerts: Alerts
    station: str
    read: Callable[[], Sequence[Fault]]
    clock: Clock
    tries: Tries
    told: ToldFaults
    language: str = ENGLISH
    trouble: str = field(default="", init=False)
    _waiting: deque[Message] = field(default_factory=lambda: deque(maxlen=MOST_WAITING), init=False)
    _next_try_at: int = field(default=0, init=False)
    _delivered: set[FaultKey] | None = field(default=None, init=False)

    @property
    def name(self) -> str:
        return self.destination.name

    @property
    def place(self) -> str:
        return self.destination.place

    def run(self, stop: Event) -> None:
        """Deliver until `stop` is set; a program error is noted, and delivering goes on after a wait."""
        while not stop.is_set():
            try:
                self.turn(stop)
            except Exception:
                log.exception("%s: telling of faults failed", self.name)
                self._failed("a program error: see `journalctl -u sorter`")
            self.clock.sleep_until(self.clock.now() + LOOK_NS, stop)

    def turn(self, stop: Event) -> None:
        """Look at the faults, and deliver what waits as long as that goes well."""
        self._look()
        while self._waiting and not stop.is_set() and self.clock.now() >= self._next_try_at:
            try:
                self.destination.deliver(self._waiting[0])
            except NotifyError as error:
                self._failed(str(error))
                return
            self._note_delivered(self._waiting.popleft())
            self.tries.succeeded()
            self.trouble = ""
            self._look()  # what came meanwhile

    def test(self) -> str:
        """Deliver a test message, and return where it went.

        Raises:
            NotifyError: why it could not be delivered.
        """
        self.destination.deliver(test_message(self.station, self.clock, self.language))
        return self.place

    def _note_delivered(self, message: Message) -> None:
        delivered = set() if self._delivered is None else self._delivered
        key = (FaultKind(message.fault), message.detail)
        self._delivered = delivered | {key} if message.kind is AlertKind.RAISED else delivered - {key}
        self.told.save(self._delivered)

    def _look(self) -> None:
        if self._delivered is None:
            self._delivered = self.told.load()
            self.alerts.restore(self._delivered, self.clock.now())
        # A mail that can't be sent is not told of by mail.
        faults = [f for f in self.read() if not (f.kind is FaultKind.NOTIFY_DOWN and _is_about(f, self.name))]
        for alert in self.alerts.look(faults, self.clock.now()):
            if len(self._waiting) == MOST_WAITING:
                log.error("%s: dropped, as too many wait: %s", self.name, self._waiting[0].title)
            self._waiting.append(write_message(alert, self.station, self.clock, self.language))

    def _failed(self, why: str) -> None:
        before, self.trouble = self.trouble, why
        self._next_try_at = self.clock.now() + self.tries.next_wait()
        if why != before:
            log.warning("%s: %s; it is tried again", self.name, why)


def _is_about(fault: Fault, name: str) -> bool:
    return fault.detail.startswith(f"{name}: ")
