"""Tells a broker what goes on: the newest state stays there, and Home Assistant finds the station by itself.

Nothing queues up: while the broker is away only the newest state is kept, which is what it is told when it is back.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable
from threading import Event
from typing import Any

from aiomqtt import Client, MqttCodeError, MqttError, Will

from edge.clock import NS_PER_S
from edge.config.notify import MqttSettings
from edge.config.sorting import Bin
from edge.errors import NotifyError
from edge.notify.channel import CONNECT_S, LOOK_NS, Tries
from edge.notify.explain import explain, shorten, trusted
from edge.notify.home_assistant import COMMANDS, OFFLINE, ONLINE, Topics, discovery
from edge.notify.secret_files import read_secret

log = logging.getLogger(__name__)

# The broker says that the station is gone after one and a half times this.
KEEPALIVE_S = 30
# How often it is looked whether the station ends, and how long the goodbye may take then.
_LOOK_S, _GOODBYE_S = 0.1, 2.0
_STEADY_TURNS = 30
_MOST_INCOMING = 16
_LOOK_EVERY_S = LOOK_NS / NS_PER_S
# Codes by which brokers of MQTT 3 and 5 say that they don't let one in.
_NOT_LET_IN = {4, 5, 134, 135}

Act = Callable[[str], None]
"""Does what a command says, one of COMMANDS; returns at once."""


class Mqtt:
    """The channel of one broker; without `act` it takes no commands."""

    name = "mqtt"

    def __init__(
        self,
        settings: MqttSettings,
        station: str,
        bins: tuple[Bin, ...],
        report: Callable[[], dict[str, Any]],
        act: Act | None,
        tries: Tries,
    ) -> None:
        self._settings, self._bins, self._report = settings, bins, report
        self._act = act if settings.commands else None
        self._topics = Topics(settings.topic, settings.discovery_prefix, station)
        self._tries = tries
        self.place = f"{settings.host}:{settings.port_used}"
        self.trouble = ""

    def run(self, stop: Event) -> None:
        """Tell it until `stop` is set; while it is being connected, the thread ends some seconds later."""
        asyncio.run(self._run(stop))

    def test(self) -> str:
        """Publish a message that nobody keeps, and return where it went.

        Raises:
            NotifyError: why that failed.
        """
        asyncio.run(self._test())
        return f"{self.place}, topic {self._topics.test}"

    async def _test(self) -> None:
        try:
            async with self._client("-test", will=None) as client:
                await client.publish(self._topics.test, "a test of `sorter notify --test`", qos=1)
        except (MqttError, OSError) as error:
            raise NotifyError(self._explain(error)) from None

    async def _run(self, stop: Event) -> None:
        stopping = asyncio.create_task(_wait_for(stop))
        while not stopping.done():
            talking = asyncio.create_task(self._talk(stopping))
            await asyncio.wait({stopping, talking}, return_when=asyncio.FIRST_COMPLETED)
            if stopping.done():
                await asyncio.wait({talking}, timeout=_GOODBYE_S)
            talking.cancel()
            await asyncio.gather(talking, return_exceptions=True)
            await asyncio.wait({stopping}, timeout=self._tries.next_wait() / NS_PER_S)

    async def _talk(self, stopping: asyncio.Task[None]) -> None:
        """Connect and tell the broker what goes on, until the station ends or that fails; what fails is noted."""
        will = Will(self._topics.availability, OFFLINE, qos=1, retain=True)
        try:
            async with self._client("", will) as client:
                listening = asyncio.create_task(self._listen(client))
                publishing = asyncio.create_task(self._publish(client, stopping))
                try:
                    done, _ = await asyncio.wait({listening, publishing}, return_when=asyncio.FIRST_COMPLETED)
                    await asyncio.gather(*done)
                finally:
                    listening.cancel()
                    publishing.cancel()
                    await asyncio.gather(listening, publishing, return_exceptions=True)
        except (MqttError, OSError, NotifyError) as error:
            self._note(self._explain(error))
        except Exception:
            log.exception("mqtt: telling the broker failed")
            self._note("a program error: see `journalctl -u sorter`")

    async def _publish(self, client: Client, stopping: asyncio.Task[None]) -> None:
        """Publish what is new until the station ends, then that it is gone: the will is for other ends."""
        await self._announce(client)
        log.info("mqtt: connected to %s", self.place)
        told: dict[str, Any] = {}
        turns = 0
        while not stopping.done():
            report = self._report()
            if report != told:
                await client.publish(self._topics.state, json.dumps(report, ensure_ascii=False), qos=1, retain=True)
                told = report
            self.trouble = ""
            turns += 1
            if turns == _STEADY_TURNS:  # a broker that lets one in to break off again is asked more and more rarely
                self._tries.succeeded()
            await asyncio.wait({stopping}, timeout=_LOOK_EVERY_S)
        await client.publish(self._topics.availability, OFFLINE, qos=1, retain=True)

    async def _announce(self, client: Client) -> None:
        """Say that the station is there, and what there is to see of it."""
        message = discovery(self._topics, self._bins, takes_commands=self._act is not None)
        await client.publish(self._topics.discovery, json.dumps(message, ensure_ascii=False), qos=1)
        await client.publish(self._topics.availability, ONLINE, qos=1, retain=True)

    async def _listen(self, client: Client) -> None:
        await client.subscribe(self._topics.birth, qos=1)
        if self._act is not None:
            await client.subscribe(self._topics.command, qos=1)
        async for message in client.messages:
            payload = message.payload if isinstance(message.payload, bytes) else b""
            if message.topic.matches(self._topics.birth):
                if payload == ONLINE.encode():
                    await self._announce(client)
            elif self._act is not None and not message.retain:  # one that is kept was meant for another time
                self._obey(self._act, payload)

    def _obey(self, act: Act, payload: bytes) -> None:
        command = next((command for command in COMMANDS if payload == command.encode()), None)
        if command is None:
            log.warning("mqtt: a command that is none of %s: %r", ", ".join(COMMANDS), payload[:40])
            return
        log.info("mqtt: %s, as the broker was told", command)
        act(command)

    def _client(self, suffix: str, will: Will | None) -> Client:
        settings = self._settings
        password = None if settings.password_file is None else read_secret(settings.password_file)
        return Client(
            settings.host,
            settings.port_used,
            username=settings.username,
            password=password,
            identifier=f"edge-sorter-{self._topics.station}{suffix}",
            will=will,
            keepalive=KEEPALIVE_S,
            timeout=CONNECT_S,
            tls_context=trusted(settings.ca_file) if settings.tls else None,
            max_queued_incoming_messages=_MOST_INCOMING,
            max_queued_outgoing_messages=_MOST_INCOMING,
        )

    def _explain(self, error: Exception) -> str:
        code = error.rc if isinstance(error, MqttCodeError) else None
        if getattr(code, "value", code) in _NOT_LET_IN:
            return f"{self.place} refuses user and password: check username and password_file"
        inner = error.__cause__ or error.__context__
        if not isinstance(error, MqttError) or isinstance(inner, OSError):
            return explain(error, self._settings.host, self._settings.port_used)
        if code is not None and not isinstance(inner, MqttError):
            return f"{self.place} refuses the connection ({shorten(str(error))})"
        return f"{self.place} {'does not answer' if 'timed out' in str(error) else 'broke the connection off'}"

    def _note(self, why: str) -> None:
        before, self.trouble = self.trouble, why
        if why != before:
            log.warning("mqtt: %s; it is tried again", why)


async def _wait_for(stop: Event) -> None:
    while not stop.is_set():
        await asyncio.sleep(_LOOK_S)
