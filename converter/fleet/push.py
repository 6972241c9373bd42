"""Sends a bundle to devices: many at once, each resumed where it broke off, in stages, stopping at a failure."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from time import perf_counter

from converter.fleet.answers import Done, Held, Send, Status, understood
from converter.fleet.inventory import Host
from converter.fleet.ssh import Conversation, LostError, Ways, converse
from edge.errors import SorterError, TransferError
from edge.tools.receive.pieces import answer_in_pieces, numbered, recipe_for
from edge.tools.receive.requests import PROTOCOL

REMOTE_COMMAND = "sorter receive"
_CHUNK = 1 << 17


class State(StrEnum):
    """How far one device is."""

    WAITING = "waiting"
    CONNECTING = "connecting"
    SENDING = "sending"
    PROVING = "proving"  # the device runs the golden vectors
    DONE = "done"
    FAILED = "failed"
    NOT_STARTED = "not started"  # another device failed before


@dataclass(frozen=True)
class PushOptions:
    """How to push; `attempts` counts connections to one device before it is given up.

    `labels` are the model's: a device that has no use for it says so before all of it has come. With `pieces` only
    those are sent that a device lacks; finding them takes it longer than most lines take to bring a whole model.
    """

    activate: bool = True
    probation: bool = True
    allow_downgrade: bool = False
    dry_run: bool = False
    attempts: int = 3
    at_once: int = 20
    soak_s: float = 0.0
    remote_command: str = REMOTE_COMMAND
    ssh_config: Path | None = None
    labels: tuple[str, ...] = ()
    pieces: bool = False


@dataclass(frozen=True)
class HostResult:
    """What happened on one device.

    Attributes:
        sent: bytes sent in this push, over all attempts.
        already: the model was there before.
        active: it is the device's current model now.
        milliseconds: one inference on the device, as measured there.
        proving_ms: what all checks on the device took, the golden vectors among them.
        note: what a dry run found.
    """

    host: Host
    state: State = State.WAITING
    sent: int = 0
    already: bool = False
    active: bool = False
    seconds: float = 0.0
    milliseconds: float | None = None
    proving_ms: float | None = None
    note: str = ""
    error: str = ""


Progress = Callable[[HostResult], None]


async def push_to_all(
    content: bytes, digest: str, stages: Sequence[Sequence[Host]], options: PushOptions, progress: Progress
) -> list[HostResult]:
    """Push to every stage in turn; after a failure nothing new is started, what runs is finished."""
    async with Ways(options.ssh_config) as ways:
        return await _push_stages(_Parcel(content, digest, options), stages, ways, progress)


async def _push_stages(
    parcel: _Parcel, stages: Sequence[Sequence[Host]], ways: Ways, progress: Progress
) -> list[HostResult]:
    options = parcel.options
    results = {host: HostResult(host) for stage in stages for host in stage}
    for number, stage in enumerate(stages):
        slots, failed = asyncio.Semaphore(options.at_once), asyncio.Event()

        async def one(host: Host, slots: asyncio.Semaphore = slots, failed: asyncio.Event = failed) -> HostResult:
            async with slots:
                if failed.is_set():
                    return HostResult(host, State.NOT_STARTED)
                result = await _push_to(host, parcel, ways, progress)
                if result.state is State.FAILED:
                    failed.set()
                return result

        for result in await asyncio.gather(*(one(host) for host in stage)):
            results[result.host] = result
        if not failed.is_set() and number + 1 < len(stages) and options.activate and not options.dry_run:
            for result in await _soak([results[host] for host in stage], parcel, ways):
                results[result.host] = result
        if any(results[host].state is not State.DONE for host in stage):
            break
    final = [_not_started(result) for result in results.values()]
    for result in final:
        progress(result)
    return final


async def push_to_one(content: bytes, digest: str, host: Host, options: PushOptions, progress: Progress) -> HostResult:
    """Push to one device; never raises for what can go wrong between here and there."""
    async with Ways(options.ssh_config) as ways:
        return await _push_to(host, _Parcel(content, digest, options), ways, progress)


@dataclass(frozen=True)
class _Parcel:
    """What is sent, and how."""

    content: bytes
    digest: str
    options: PushOptions

    @property
    def labels(self) -> str:
        return " ".join(self.options.labels)


async def _push_to(host: Host, parcel: _Parcel, ways: Ways, progress: Progress) -> HostResult:
    started = perf_counter()
    options = parcel.options
    job = _Job(parcel, HostResult(host, State.CONNECTING), ways, progress)
    for attempt in range(1, options.attempts + 1):
        try:
            await job.run()
            break
        except LostError as error:
            job.update(state=State.FAILED, error=_without_host(error, host))
            if attempt < options.attempts:
                # Not all at the same instant: a server that just had too many at its door would have them again.
                await asyncio.sleep(min(10.0, 0.5 * 2 ** (attempt - 1)) * random.uniform(0.8, 1.2))
        except SorterError as error:
            job.update(state=State.FAILED, error=_without_host(error, host))
            break
    job.update(seconds=perf_counter() - started)
    return job.result


class _Job:
    """One device being served."""

    def __init__(self, parcel: _Parcel, result: HostResult, ways: Ways, progress: Progress) -> None:
        self.result = result
        self._parcel = parcel
        self._ways = ways
        self._progress = progress

    def update(self, **changes: object) -> None:
        self.result = replace(self.result, **changes)  # type: ignore[arg-type]
        self._progress(self.result)

    async def run(self) -> None:
        options = self._parcel.options
        self.update(state=State.CONNECTING, error="")
        async with converse(self.result.host, options.remote_command, self._ways) as talk:
            if options.dry_run:
                await self._look(talk)
            else:
                await self._push(talk)

    async def _look(self, talk: Conversation) -> None:
        parcel = self._parcel
        talk.ask(protocol=PROTOCOL, ask="status", digest=parcel.digest, labels=parcel.labels)
        found, size = understood(Status, await talk.hear()), len(parcel.content)
        if found.misfits and parcel.options.activate:
            raise TransferError(f"it does not fit: {found.misfits}")
        if found.installed:
            plan = "has it already" if found.current != parcel.digest else "runs it already"
        else:
            most = "at most " if parcel.options.pieces else ""
            plan = f"would get {most}{size - found.received} of {size} bytes"
        current = found.current_title or "the shipped model"
        self.update(state=State.DONE, already=found.installed, note=f"{plan}; runs {current} now")

    async def _push(self, talk: Conversation) -> None:
        parcel, options = self._parcel, self._parcel.options
        talk.ask(
            protocol=PROTOCOL,
            ask="push",
            digest=parcel.digest,
            size=len(parcel.content),
            labels=parcel.labels,
            activate=options.activate,
            probation=options.probation,
            allow_downgrade=options.allow_downgrade,
            pieces=options.pieces,
        )
        may_hold = options.pieces
        while True:
            event = await talk.hear()
            match event["event"]:
                case "held":
                    if not may_hold:
                        raise TransferError("the device said what it holds; expected it to say so once, and if asked")
                    may_hold = False
                    await self._send_pieces(talk, understood(Held, event).size)
                case "send":
                    await self._send(talk, understood(Send, event).offset)
                case "done":
                    self.update(state=State.DONE, **understood(Done, event).model_dump())
                    return

    async def _send_pieces(self, talk: Conversation, size: int) -> None:
        """Send what the device has not, or tell it to ask for all."""
        found = recipe_for(self._parcel.content, numbered(await talk.read_exactly(size)))
        recipe, rest = ([], b"") if found is None else found
        answer = answer_in_pieces(recipe, rest)
        # A device that is gone meanwhile is heard of next.
        if await talk.send(answer) and found is not None:
            self.update(state=State.PROVING, sent=self.result.sent + len(answer))

    async def _send(self, talk: Conversation, offset: int) -> None:
        if self.result.state is not State.CONNECTING or offset > len(self._parcel.content):
            raise TransferError("the device asked for bytes that there are not; expected it to ask once, for some")
        self.update(state=State.SENDING)
        content = memoryview(self._parcel.content)
        for at in range(offset, len(content), _CHUNK):
            chunk = bytes(content[at : at + _CHUNK])
            if not await talk.send(chunk):
                return
            self.update(sent=self.result.sent + len(chunk))
        self.update(state=State.PROVING)


async def _soak(results: Sequence[HostResult], parcel: _Parcel, ways: Ways) -> list[HostResult]:
    """Wait, then ask every device of the stage whether the model is still its current one."""
    options, digest = parcel.options, parcel.digest
    await asyncio.sleep(options.soak_s)

    async def still(result: HostResult) -> HostResult:
        try:
            async with converse(result.host, options.remote_command, ways) as talk:
                talk.ask(protocol=PROTOCOL, ask="status", digest=digest)
                found = understood(Status, await talk.hear())
        except SorterError as error:
            return replace(result, state=State.FAILED, error=_without_host(error, result.host))
        if found.current == digest:
            return result
        title = found.current_title
        return replace(
            result, state=State.FAILED, active=False, error=f"the device came back to {title}: see `sorter model list`"
        )

    return list(await asyncio.gather(*(still(result) for result in results)))


def _not_started(result: HostResult) -> HostResult:
    return replace(result, state=State.NOT_STARTED) if result.state is State.WAITING else result


def _without_host(error: Exception, host: Host) -> str:
    return str(error).removeprefix(f"{host.text}: ")
