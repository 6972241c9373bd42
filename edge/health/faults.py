"""The closed list of what can be wrong with a station: what it means, what to do, what is tried by itself."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from edge.types import Severity


class RecoveryAction(StrEnum):
    """What is tried by itself, smallest first."""

    REOPEN_CAMERA = "reopen-camera"
    RESTART_CLASSIFIER = "restart-classifier"
    RETRY_ACTUATORS = "retry-actuators"
    RESTART_PAGE = "restart-page"
    RESTART_SERVICE = "restart-service"


ACTION_TEXT: Mapping[RecoveryAction, str] = MappingProxyType(
    {
        RecoveryAction.REOPEN_CAMERA: "The camera is opened again",
        RecoveryAction.RESTART_CLASSIFIER: "The model is loaded again",
        RecoveryAction.RETRY_ACTUATORS: "The actuators are tried again",
        RecoveryAction.RESTART_PAGE: "The page is started again",
        RecoveryAction.RESTART_SERVICE: "The service is restarted",
    }
)
"""For people: what a step does."""


class FaultKind(StrEnum):
    """Every fault that has a name."""

    CAMERA_STALLED = "camera-stalled"
    CAMERA_LOST = "camera-lost"
    CAMERA_FROZEN = "camera-frozen"
    CAMERA_BLACK = "camera-black"
    CAMERA_OVEREXPOSED = "camera-overexposed"
    CAMERA_MOVED = "camera-moved"
    CAMERA_CLOCK = "camera-clock"
    CLASSIFIER_FAILED = "classifier-failed"
    CLASSIFIER_STUCK = "classifier-stuck"
    CLASSIFIER_SLOW = "classifier-slow"
    OVERLOADED = "overloaded"
    MODEL_DAMAGED = "model-damaged"
    CALIBRATION_DAMAGED = "calibration-damaged"
    JOURNAL_DAMAGED = "journal-damaged"
    BIN_LEVELS_DAMAGED = "bin-levels-damaged"
    JOURNAL_SLOW = "journal-slow"
    JOURNAL_BLOCKED = "journal-blocked"
    DISK_FULL = "disk-full"
    DISK_READ_ONLY = "disk-read-only"
    DISK_ERROR = "disk-error"
    ACTUATOR_REFUSED = "actuator-refused"
    ACTUATOR_HUNG = "actuator-hung"
    BIN_FULL = "bin-full"
    RESIDUAL_FULL = "residual-full"
    JAM = "jam"
    BELT_STOPPED = "belt-stopped"
    BELT_SLIPPING = "belt-slipping"
    EMERGENCY_STOP = "emergency-stop"
    HOT = "hot"
    THROTTLED = "throttled"
    UNDER_VOLTAGE = "under-voltage"
    CLOCK_UNSET = "clock-unset"
    DRIFT = "drift"
    PAGE_DOWN = "page-down"
    NOTIFY_DOWN = "notify-down"
    PROGRAM_ERROR = "program-error"


@dataclass(frozen=True, slots=True)
class FaultSpec:
    """What a fault means for the operator: FAULT holds every stroke and stops the belt, with WARNING sorting goes on.

    `remedy` is tried `tries` times with growing waits; then the whole service is restarted if
    `restarts` is true, and otherwise the remedy is tried on at the longest wait.
    """

    severity: Severity
    sentence: str
    advice: str
    action: RecoveryAction | None = None
    tries: int = 6
    restarts: bool = False

    @property
    def inhibits(self) -> bool:
        """Whether every actuator stays in its safe position while the fault is there."""
        return self.severity is Severity.FAULT


def _camera(sentence: str, advice: str) -> FaultSpec:
    return FaultSpec(Severity.FAULT, sentence, advice, RecoveryAction.REOPEN_CAMERA, tries=10, restarts=True)


def _restart(sentence: str, advice: str) -> FaultSpec:
    return FaultSpec(Severity.FAULT, sentence, advice, RecoveryAction.RESTART_SERVICE)


def _hold(sentence: str, advice: str) -> FaultSpec:
    return FaultSpec(Severity.FAULT, sentence, advice)


def _note(sentence: str, advice: str, action: RecoveryAction | None = None) -> FaultSpec:
    return FaultSpec(Severity.WARNING, sentence, advice, action)


_THEN_RESET = "; without a sensor that sees it empty, press reset then"


SPECS: Mapping[FaultKind, FaultSpec] = MappingProxyType(
    {
        FaultKind.CAMERA_STALLED: _camera("The camera sends no more pictures.", "Check the camera's cable and power."),
        FaultKind.CAMERA_LOST: _camera("The camera is gone.", "Plug the camera in again; it is looked for by itself."),
        FaultKind.CAMERA_FROZEN: _camera(
            "The camera sends the same picture again and again.", "Unplug the camera and plug it in again."
        ),
        FaultKind.CAMERA_BLACK: _hold("The picture is black.", "Take the cap off the lens and check the lamp."),
        FaultKind.CAMERA_OVEREXPOSED: _hold(
            "The picture is too bright to see items.", "Keep sunlight off the view, then run `sorter calibrate`."
        ),
        FaultKind.CAMERA_MOVED: _hold(
            "The camera no longer looks where it was calibrated.",
            "Put the camera back, or run `sorter calibrate` for its new place.",
        ),
        FaultKind.CAMERA_CLOCK: _camera(
            "The camera's timestamps don't fit the clock, so nothing can be timed.",
            "Restart the Pi; if it stays, update libcamera and run `sorter doctor`.",
        ),
        FaultKind.CLASSIFIER_FAILED: FaultSpec(
            Severity.FAULT,
            "The model can't be run.",
            "Run `sorter doctor`; go back to the last model with `sorter model rollback`.",
            RecoveryAction.RESTART_CLASSIFIER,
            tries=3,
            restarts=True,
        ),
        FaultKind.CLASSIFIER_STUCK: _restart(
            "A picture is being looked at and no answer comes.", "Nothing; the service restarts by itself."
        ),
        FaultKind.CLASSIFIER_SLOW: _note(
            "The model is slower than usual: fewer pictures of each item are looked at.",
            "Check the fan and what else runs on this Pi.",
        ),
        FaultKind.OVERLOADED: _hold(
            "The model is too slow for this belt.", "Slow the belt down, cool the Pi, or install a smaller model."
        ),
        FaultKind.MODEL_DAMAGED: _note(
            "The installed model is damaged; an older or the shipped one is in use.", "Push the model again."
        ),
        FaultKind.CALIBRATION_DAMAGED: _note(
            "The calibration file is damaged and was set aside; the station file's values are in use.",
            "Run `sorter calibrate`.",
        ),
        FaultKind.JOURNAL_DAMAGED: _note(
            "The journal was damaged and set aside; a new one was begun.",
            "Replace the SD card if this happens again; the old file is kept beside the new one.",
        ),
        FaultKind.BIN_LEVELS_DAMAGED: _note(
            "The count of what lies in the bins was damaged and set aside; they count as empty.",
            "Empty the bins that have no sensor, then press reset.",
        ),
        FaultKind.JOURNAL_SLOW: _note(
            "The SD card is slow: items wait in memory to be stored.", "Replace the SD card if this happens often."
        ),
        FaultKind.JOURNAL_BLOCKED: _restart(
            "Nothing could be stored for a long time.", "Replace the SD card; the service restarts by itself."
        ),
        FaultKind.DISK_FULL: _note(
            "The disk is full: items are sorted but not recorded.",
            "Make room on the SD card; recording goes on by itself.",
        ),
        FaultKind.DISK_READ_ONLY: _note(
            "The disk can't be written: items are sorted but not recorded.",
            "Replace the SD card: Linux makes a failing one read-only.",
        ),
        FaultKind.DISK_ERROR: _note(
            "The disk reports errors: items are sorted but not recorded.", "Replace the SD card."
        ),
        FaultKind.ACTUATOR_REFUSED: FaultSpec(
            Severity.FAULT,
            "An actuator's pin can't be driven.",
            "Check its wiring and that no other program uses the pin; run `sorter doctor`.",
            RecoveryAction.RETRY_ACTUATORS,
            tries=3,
            restarts=True,
        ),
        FaultKind.ACTUATOR_HUNG: _restart(
            "An actuator did not go back in time.", "Check that it moves freely; the service restarts by itself."
        ),
        FaultKind.BIN_FULL: _note("A bin is full: its items go to residual.", f"Empty the bin{_THEN_RESET}."),
        FaultKind.RESIDUAL_FULL: _hold("The residual bin is full.", f"Empty the residual bin{_THEN_RESET}."),
        FaultKind.JAM: _hold("Items are jammed.", "Press the emergency stop, clear the way, then reset."),
        FaultKind.BELT_STOPPED: _hold("The belt does not move.", "Check the belt's motor, switch and encoder."),
        FaultKind.BELT_SLIPPING: _note(
            "The belt is not as fast as the station file says.", "Tighten the belt, then run `sorter calibrate`."
        ),
        FaultKind.EMERGENCY_STOP: _hold(
            "The emergency stop was pressed.", "When it is safe: release the button, then press reset."
        ),
        FaultKind.HOT: _note("The Pi is hot.", "Check the fan and keep the case out of the sun."),
        FaultKind.THROTTLED: _note("The Pi slowed itself down to stay cool.", "Fit a fan or a heat sink."),
        FaultKind.UNDER_VOLTAGE: _note(
            "The power supply is too weak.", "Use the Pi's own supply and a short cable; don't feed motors from the Pi."
        ),
        FaultKind.CLOCK_UNSET: _note(
            "The date is not set, so records carry a wrong one; sorting is not affected.",
            "Connect the network or fit a clock module.",
        ),
        FaultKind.DRIFT: _note(
            "Light or items are not what they were when the model began its work here.",
            "Clean the lens and look at the lamps. If that was not it, teach the model what comes here now: "
            "`sorter teach`; or fit its thresholds: `sorter calibrate thresholds`.",
        ),
        FaultKind.PAGE_DOWN: _note(
            "The page can't be shown; sorting is not affected.",
            "Run `sorter check`: another program uses its port, or its certificate can't be used.",
            RecoveryAction.RESTART_PAGE,
        ),
        FaultKind.NOTIFY_DOWN: _note(
            "Messages can't be delivered; sorting is not affected.",
            "Run `sorter notify --test`; it says of each way what is wrong.",
        ),
        FaultKind.PROGRAM_ERROR: _restart(
            "The program met an error that it did not expect.",
            "Nothing; the service restarts by itself. Please report it with `journalctl -u sorter`.",
        ),
    }
)


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault that is there now; `detail` names the bin, pin or file."""

    kind: FaultKind
    raised_at: int
    detail: str

    @property
    def spec(self) -> FaultSpec:
        return SPECS[self.kind]

    @property
    def text(self) -> str:
        return f"{self.spec.sentence} ({self.detail})" if self.detail else self.spec.sentence
