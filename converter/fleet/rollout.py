"""In which order devices get a model: a few first, then in stages, stopping at the first failure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TypeVar

from edge.errors import ConfigError

T = TypeVar("T")


def plan_stages(hosts: Sequence[T], canary: int, then: str) -> list[list[T]]:
    """`canary` hosts first (0: none), then stages of `then`: a count ("10") or a share of all hosts ("25%").

    Raises:
        ConfigError: `then` is neither.
    """
    size = _stage_size(then, len(hosts))
    first = list(hosts[:canary])
    rest = list(hosts[canary:])
    stages = [rest[at : at + size] for at in range(0, len(rest), size)]
    return [stage for stage in (first, *stages) if stage]


def _stage_size(then: str, total: int) -> int:
    text = then.strip()
    number = text.removesuffix("%")
    if not number.isdigit() or int(number) < 1 or (text.endswith("%") and int(number) > 100):
        raise ConfigError(f"--then {then!r}: expected a count like 10 or a share like 25%")
    return max(1, math.ceil(total * int(number) / 100)) if text.endswith("%") else int(number)
