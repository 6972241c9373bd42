"""The far ends of the machine's GPIO lines: what is connected there, seen and moved from outside the product."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise

from support.pi.machine import Machine

LINES = "/sys/devices/platform/gpio-sim/gpiochip0/sim_gpio"
TRACING = "/sys/kernel/tracing"
# Half a million edges: a servo's line has a hundred a second.
BUFFER_KB = 8192
EDGE = re.compile(r"(\d+\.\d+): gpio_value: (\d+) set (\d)$", re.MULTILINE)
INPUT = re.compile(r"(\d+\.\d+): gpio_direction: (\d+) +in \(", re.MULTILINE)
MARK = re.compile(r"(\d+\.\d+): tracing_mark_write: (.+)$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Edge:
    """A level that the kernel put on a line; its instant is the kernel's own, in seconds of the monotonic clock."""

    at_s: float
    line: int
    high: bool


@dataclass(frozen=True, slots=True)
class Pulse:
    """From a rising to the next falling edge, in seconds of the monotonic clock."""

    began_s: float
    ended_s: float

    @property
    def width_s(self) -> float:
        return self.ended_s - self.began_s


@dataclass(frozen=True, slots=True)
class Record:
    """All that happened on the lines since the wires were last cleared.

    Args:
        edges: in the order in which the kernel made them; a level written twice is one edge.
        floated: lines that became inputs, which nobody drives, and when.
        marks: by their text, when each was set.
    """

    edges: tuple[Edge, ...]
    floated: tuple[tuple[float, int], ...]
    marks: dict[str, float]

    def of(self, line: int) -> list[Edge]:
        return [edge for edge in self.edges if edge.line == line]

    def pulses(self, line: int) -> list[Pulse]:
        """The line's high times that ended."""
        own = self.of(line)
        return [Pulse(a.at_s, b.at_s) for a, b in pairwise(own) if a.high and not b.high]


class Wires:
    """The lines of one machine, by their GPIO (BCM) numbers."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        settings = {"trace_clock": "mono", "buffer_size_kb": BUFFER_KB}
        events = {"events/gpio/gpio_value/enable": 1, "events/gpio/gpio_direction/enable": 1}
        writes = (f"echo {value} > {TRACING}/{name}" for name, value in (settings | events).items())
        found = machine.run(f"{'; '.join(writes)}; ls /sys/devices/platform/gpio-sim/gpio")
        # The kernel counts all chips' lines through, and traces these numbers.
        self._first = int(found.strip().removeprefix("gpiochip"))

    def pull(self, **levels: bool) -> float:
        """What is connected gives lines these levels, named as in `gpio16=True`; when, by the monotonic clock, seconds."""
        (at_s,) = self.pull_in_turn([levels])
        return at_s

    def pull_in_turn(self, steps: Iterable[dict[str, bool]], every_s: float = 0.0) -> list[float]:
        """One step after the other, as fast as the machine goes or with pauses between them; when each was."""
        commands: list[str] = []
        count = 0
        for levels in steps:
            commands.append(f"echo pull-{count} > {TRACING}/trace_marker")
            for name, high in levels.items():
                path = f"{LINES}{name.removeprefix('gpio')}/pull"
                commands.append(f"echo pull-{'up' if high else 'down'} > {path}")
            if every_s:
                commands.append(f"sleep {every_s}")
            count += 1
        self._machine.run("; ".join(commands))
        marks = self.record().marks
        return [marks[f"pull-{number}"] for number in range(count)]

    def levels(self, *lines: int) -> dict[int, bool]:
        """What a meter at these lines shows."""
        paths = " ".join(f"{LINES}{line}/value" for line in lines)
        return dict(zip(lines, (word == "1" for word in self._machine.run(f"cat {paths}").split()), strict=True))

    def await_edge(self, line: int, *, high: bool, within_s: float) -> None:
        """Wait until the line has been driven to that level since `clear`."""
        seen = f"grep -q ' {self._first + line} set {int(high)}' {TRACING}/trace"
        self._machine.until(f"line {line} is {'high' if high else 'low'}", seen, within_s)

    def clear(self) -> None:
        """Forget what happened so far."""
        self._machine.run(f"echo > {TRACING}/trace")

    def record(self) -> Record:
        """All that happened since `clear`.

        Raises:
            RuntimeError: more than the kernel keeps.
        """
        text = self._machine.run(f"grep -h overrun {TRACING}/per_cpu/cpu*/stats; cat {TRACING}/trace")
        lost = sum(int(count) for count in re.findall(r"^overrun: (\d+)", text, re.MULTILINE))
        if lost:
            raise RuntimeError(f"the kernel lost {lost} edges: clear the wires more often")
        edges: list[Edge] = []
        levels: dict[int, bool] = {}
        for at, number, level in EDGE.findall(text):
            line, high = int(number) - self._first, level == "1"
            if levels.get(line) is not high:
                levels[line] = high
                edges.append(Edge(float(at), line, high))
        floated = tuple((float(at), int(number) - self._first) for at, number in INPUT.findall(text))
        return Record(tuple(edges), floated, {name: float(at) for at, name in MARK.findall(text)})
