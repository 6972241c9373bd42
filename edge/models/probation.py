"""A new model on probation: what is counted, kept over restarts and power cuts, and when it has to go.

Pure but for `load_probation` and `save_probation`; every function returns a new value.
"""

from __future__ import annotations

import math
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from edge.config.probation import ProbationSettings
from edge.inference.metered import Tally
from edge.models.records import Generation, read_record
from edge.system.files import write_atomically

_Z = 2.33  # one-sided 99 %: a model is sent back on evidence, not on a run of bad luck


class Verdict(StrEnum):
    """What is to be done with the model."""

    GO_ON = "go on"
    KEEP = "keep"
    ROLL_BACK = "roll back"


class Probation(BaseModel):
    """How one generation does.

    Attributes:
        generation: its number in the store.
        baseline: how its predecessor did just before; None where that is not known.
        minutes: sorted with it, over all runs.
        running_boot: the boot in which the program runs with it; empty after a clean end.
        verdict: KEEP or ROLL_BACK once it is decided, with `why`.
    """

    model_config = ConfigDict(frozen=True, extra="ignore")

    generation: int
    digest: str
    baseline: Tally | None = None
    tally: Tally = Tally()
    minutes: float = 0.0
    running_boot: str = ""
    crashes: int = 0
    power_cuts: int = 0
    verdict: Verdict = Verdict.GO_ON
    why: str = ""


def began(probation: Probation, boot: str) -> Probation:
    """The program starts with this model; an end that was not clean counts as a crash, or a power cut after a reboot."""
    crashed = bool(probation.running_boot) and probation.running_boot == boot
    cut = bool(probation.running_boot) and not crashed
    return probation.model_copy(
        update={
            "running_boot": boot,
            "crashes": probation.crashes + crashed,
            "power_cuts": probation.power_cuts + cut,
        }
    )


def ended(probation: Probation) -> Probation:
    """The program ends as it should."""
    return probation.model_copy(update={"running_boot": ""})


def counted(probation: Probation, tally: Tally, minutes: float) -> Probation:
    """More items were sorted with it."""
    return probation.model_copy(update={"tally": probation.tally + tally, "minutes": probation.minutes + minutes})


def judged(probation: Probation, limits: ProbationSettings, budget_ms: float | None = None) -> Probation:
    """With its verdict; a verdict once given stays. No mean inference may take longer than `budget_ms`."""
    if probation.verdict is not Verdict.GO_ON:
        return probation
    problem = _problem(probation, limits, budget_ms)
    if problem:
        return probation.model_copy(update={"verdict": Verdict.ROLL_BACK, "why": problem})
    tally = probation.tally
    if tally.items >= limits.items or (probation.minutes >= limits.minutes and tally.items >= limits.least_items):
        why = f"{tally.items} items in {probation.minutes:.0f} min, {tally.residual_share:.0%} to residual"
        return probation.model_copy(update={"verdict": Verdict.KEEP, "why": why})
    return probation


def _problem(probation: Probation, limits: ProbationSettings, budget_ms: float | None) -> str:
    """Why the model has to go; empty if it need not."""
    tally, before = probation.tally, probation.baseline
    if probation.crashes > limits.max_crashes:
        return f"the program ended {probation.crashes} times without being asked to"
    if probation.power_cuts > limits.max_power_cuts:
        return f"the machine went down {probation.power_cuts} times"
    # Failures need no large number of items: a model that fails at once shall not go on failing.
    if tally.failures >= 3 and _surely_above(tally.failures, tally.items, limits.max_failure_share):
        return f"it failed on {tally.failures} of {tally.items} items"
    if tally.items < limits.least_items:
        return ""
    if before is not None and before.items >= limits.least_items:
        allowed = before.residual_share + limits.max_residual_rise
        if _surely_above(tally.residual, tally.items, allowed):
            return (
                f"{tally.residual_share:.0%} of its {tally.items} items went to residual, "
                f"{before.residual_share:.0%} with the previous model"
            )
        if before.mean_ms and tally.mean_ms > before.mean_ms * limits.max_slowdown:
            return f"{tally.mean_ms:.1f} ms an inference, {before.mean_ms:.1f} ms with the previous model"
    if budget_ms is not None and tally.mean_ms > budget_ms:
        return f"{tally.mean_ms:.1f} ms an inference, {budget_ms:g} ms are allowed"
    return ""


def _surely_above(count: int, total: int, share: float) -> bool:
    """Tell whether the true share lies above `share` with 99 % confidence (Wilson score interval, lower bound)."""
    if total == 0:
        return False
    p, z2 = count / total, _Z * _Z
    centre = p + z2 / (2 * total)
    spread = _Z * math.sqrt(p * (1 - p) / total + z2 / (4 * total * total))
    return (centre - spread) / (1 + z2 / total) > share


def load_probation(folder: Path, generation: Generation) -> Probation:
    """How the generation did so far; a file that is missing or damaged begins its probation anew."""
    try:
        kept = read_record(_file(folder, generation.number), Probation)
    except (OSError, ValueError):
        kept = None
    if kept is None or kept.digest != generation.current:
        return Probation(generation=generation.number, digest=generation.current)
    return kept


def save_probation(folder: Path, probation: Probation) -> None:
    """Write it down so that it survives a power cut.

    Raises:
        OSError: the disk refuses.
    """
    content = probation.model_dump_json(indent=2).encode() + b"\n"
    write_atomically(_file(folder, probation.generation), content)


def _file(folder: Path, number: int) -> Path:
    return folder / "probation" / f"{number:06}.json"
