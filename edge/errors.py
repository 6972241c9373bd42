"""Every error that is the user's to fix, each with the exit code of the command that meets it."""

from __future__ import annotations

from typing import Final

OTHER_EXIT_CODES: Final = {
    0: "All is well.",
    1: "The program met an error that it did not expect; please report it.",
    20: "`sorter status`: the station is starting.",
    21: "`sorter status`: a person stopped the station.",
    22: "`sorter status`: the station is in a fault and does not sort.",
    23: "`sorter status`: the emergency stop was pressed.",
    130: "A person pressed Ctrl-C.",
}
"""What else a command may end with, besides the codes of the errors below."""


class SorterError(Exception):
    """An expected failure: its message says what was expected, what was got and what to do."""

    exit_code = 1


class ConfigError(SorterError):
    """The station file or an option is wrong."""

    exit_code = 2


class CalibrationError(SorterError):
    """The calibration is missing, stale or belongs to something else, or measuring failed."""

    exit_code = 3


class BundleError(SorterError):
    """A model bundle is damaged, hostile, untrusted, too new, or does not fit the station."""

    exit_code = 4


class CameraError(SorterError):
    """The camera is absent, stopped giving frames, or gives frames that can't be used."""

    exit_code = 5


class CameraStalledError(CameraError):
    """The camera is there and gives no frames."""


class CameraClockError(CameraError):
    """The camera's frames are not stamped with the station's clock, so nothing can be timed by them."""


class CameraControlError(CameraError):
    """The camera has no such control, or does not let it be set."""


class ActuatorError(SorterError):
    """A pin or an actuator can't be opened or driven."""

    exit_code = 6


class JournalError(SorterError):
    """The journal can't be opened, read or written."""

    exit_code = 7


class StoreError(SorterError):
    """The model store refuses an operation or is damaged."""

    exit_code = 8


class DatasetError(SorterError):
    """Photos, lists or labels are missing or unusable."""

    exit_code = 9


class TrainingError(SorterError):
    """Training or its run folder can't go on."""

    exit_code = 10


class ConversionError(SorterError):
    """A model can't be converted, or the converted one is not good enough to ship."""

    exit_code = 11


class TransferError(SorterError):
    """A device can't be reached, or something sent to or from it did not arrive whole."""

    exit_code = 12


class SetupError(SorterError):
    """Something this machine needs is missing: a package, a group, a permission, a service."""

    exit_code = 13


class ClassifierError(SorterError):
    """A model that was opened can't be run any more."""

    exit_code = 14


class ControlError(SorterError):
    """A running station can't be asked: there is none, or it does not answer."""

    exit_code = 15


class NotifyError(SorterError):
    """A message can't be delivered, or the file with a password can't be used."""

    exit_code = 16


class TeachingError(SorterError):
    """What a station shall be taught with can't be used, or the head that comes of it must not be."""

    exit_code = 17


class OutputError(SorterError):
    """Standard output can't be written: a full disk."""

    exit_code = 74  # EX_IOERR


class ReaderGoneError(OutputError):
    """The reader of the output (head, less) went away."""

    exit_code = 141  # as if SIGPIPE had ended it


class RestartError(SorterError):
    """The controller has to be started anew to go on; systemd does so by itself."""

    exit_code = 75  # EX_TEMPFAIL: try again
