"""The step `verify`: known items through the whole line, and whether each landed where it belongs."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle, islice
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from edge.bundle.archive import Bundle
from edge.bundle.pictures import cut_out, thumbnail
from edge.clock import NS_PER_MS
from edge.config import Station
from edge.config.calibration.record import Calibration
from edge.errors import CalibrationError
from edge.tools.calibrate.operator.acceptance import QUIT, SKIP, AcceptanceTest, SeenToLand, Stage
from edge.tools.calibrate.operator.operator import Operator
from edge.tools.calibrate.rig import MeasurementRig
from edge.tools.calibrate.step_result import Outcome
from edge.tools.calibrate.verdict import THUMBNAIL, Checked, judge
from edge.types import REASON_TEXT, Frame, Image

if TYPE_CHECKING:
    from edge.line import Outcome as Settled


def verify_simulated(
    written: Station, station: Station, bundle: Bundle, operator: Operator, digest: str, items: int
) -> Outcome:
    """Run a simulated station as calibrated in the world as written, on the virtual clock, until that many items have landed.

    Raises:
        CalibrationError: hardly any item came through.
    """
    from edge.tools.simulate.build import Conditions, build_virtual_run, run_and_score

    run = build_virtual_run(station, Conditions(bundle=bundle, truth=written))
    pictures: dict[int, Image] = {}

    def keep(frame: Frame, outcomes: Sequence[Settled]) -> None:
        for outcome in outcomes:
            crop = next(iter(outcome.item.crops), None)
            if crop is not None and (cut := cut_out(crop.pixels, crop.box)) is not None:
                pictures[outcome.item.item_id] = thumbnail(cut, THUMBNAIL)
            progress(min(1.0, len(pictures) / items))

    seconds = 60 * items / written.simulation.items_per_min + 3
    with operator.progress(f"Running {items} known items") as progress:
        score = run_and_score(station, run, seconds, keep)
        progress(1.0)
    checked = [
        Checked(
            label=item.label,
            expected=station.route(item.label).name,
            landed=item.landed_in,
            reason=REASON_TEXT[record.reason],
            taken_for=record.label,
            margin_ms=None if record.fire_at is None else (record.fire_at - record.decided_at) / NS_PER_MS,
            picture=pictures.get(record.item_id),
        )
        for item, record in score.pairs
    ]
    return judge(station, checked, score.missed + score.phantom, digest)


def verify_real(
    rig: MeasurementRig,
    operator: Operator,
    calibration: Calibration,
    bundle: Bundle,
    digest: str,
    labels: Sequence[str],
) -> Outcome:
    """Let the station sort as `sorter run` would with what was measured, and ask for one known item after the other.

    Where an item lands is seen by the exit sensor of its bin, or asked for.

    Raises:
        CalibrationError: the station does not get ready, or no item came.
    """
    from edge.station.build import build_trial
    from edge.station.environment import Interference, stand_on
    from edge.station.runtime import Runtime

    station, clock = rig.station, rig.clock
    operator.warn("The station will sort as in daily work: the belt runs and the diverters move.")
    operator.say(
        f"{len(labels)} items, one at a time, each when it is asked for. {SKIP}: it went by unseen; {QUIT}: that is enough."
    )
    rig.close()  # camera and actuators are the running station's now
    with TemporaryDirectory(prefix="sorter-verify-") as folder, operator.keys() as poll:
        environment = stand_on(station, clock, calibration, rig.pins, rig.world, Interference(clock))
        seen = SeenToLand()
        built = build_trial(station, environment, bundle, calibration, Path(folder), [seen])
        runtime = Runtime(built)
        trial = AcceptanceTest(station, operator, labels, built.reporting.live, poll, seen, runtime.stop)
        runtime.run(on_tick=trial.watch)
    if trial.stage is not Stage.DONE:
        raise KeyboardInterrupt  # Ctrl-C ended the run
    return judge(station, trial.checked, trial.miscounted, digest)


def known_labels(station: Station, chosen: Sequence[str], items: int) -> list[str]:
    """Return which items are asked for: the chosen labels, else all that a bin names, in turn.

    Raises:
        CalibrationError: no bin names one of them.
    """
    known = [label for where in station.bins for label in where.labels]
    if unknown := [label for label in chosen if label not in known]:
        raise CalibrationError(f"no bin takes {', '.join(unknown)}; the bins' labels are {', '.join(known)}")
    if not known:
        raise CalibrationError("no bin has labels: give each bin its labels in the station file")
    return list(islice(cycle(chosen or known), items))
