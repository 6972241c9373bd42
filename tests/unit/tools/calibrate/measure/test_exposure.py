"""White balance and exposure of cameras that are set in other ways than the simulated one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from edge.errors import CameraControlError
from edge.interfaces import Controls
from edge.tools.calibrate.measure.exposure import choose_controls
from edge.types import Box, Frame, Image

VIEW = Box(0, 0, 80, 60)
LAMP_K = 3850


@dataclass
class UsbBench:
    """As much of a bench as choosing needs: a USB camera over a sheet of paper under lamps of LAMP_K."""

    lacks: frozenset[str] = frozenset()
    gain_range: tuple[float, float] = (1.0, math.inf)
    light: float = 1.0
    set_to: dict[str, Any] = field(default_factory=dict)

    def has_control(self, name: str) -> bool:
        return name in ("exposure_us", "gain", "white_balance_k")

    def open_camera(self, **controls: Any) -> None:
        wanted = {name: value for name, value in controls.items() if value is not None}
        if refused := wanted.keys() & self.lacks:
            raise CameraControlError(f"no {refused}")
        self.set_to = wanted

    @property
    def controls(self) -> Controls:
        return Controls()

    def frames(self, count: int) -> list[Frame]:
        return [Frame(self._picture(), n, n) for n in range(count)]

    def _picture(self) -> Image:
        """Paper on a dark ground, encoded with the usual gamma; automatic exposure aims at the middle."""
        exposure = self.set_to.get("exposure_us", 900) * self.set_to.get("gain", 1.0)
        light = self.light * exposure / 1500
        off = np.log(self.set_to.get("white_balance_k", LAMP_K) / LAMP_K)
        colour = light * np.array([np.exp(off), 1.0, np.exp(-off)])
        picture = np.full((60, 80, 3), 0.08) * colour
        picture[10:50, 10:70] = 0.8 * colour
        return np.clip(255 * picture ** (1 / 2.2), 0, 255).astype(np.uint8)


def test_the_temperature_is_chosen_at_which_paper_is_white() -> None:
    chosen = choose_controls(UsbBench(), VIEW, 0.8, 300, 50)  # type: ignore[arg-type]
    assert chosen.white_balance_k == pytest.approx(LAMP_K, abs=100)
    assert chosen.tint < 0.02
    assert chosen.exposure_us is not None
    assert chosen.refused == ()


@pytest.mark.parametrize("lacking", ["exposure_us", "gain", "white_balance_k"])
def test_what_a_camera_does_not_let_be_set_stays_automatic_and_is_named(lacking: str) -> None:
    rig = UsbBench(lacks=frozenset({lacking}))
    chosen = choose_controls(rig, VIEW, 0.8, 300, 50)  # type: ignore[arg-type]
    assert chosen.refused == (lacking,)
    assert chosen.controls[lacking] is None
    others = {"exposure_us", "white_balance_k"} - {lacking}
    assert all(chosen.controls[name] is not None for name in others)


def test_a_sensor_without_colours_is_set_up_without_them() -> None:
    class Monochrome(UsbBench):
        def has_control(self, name: str) -> bool:
            return name in ("exposure_us", "gain", "red_gain")

    rig = Monochrome(lacks=frozenset({"red_gain", "blue_gain"}))
    chosen = choose_controls(rig, VIEW, 0.8, 300, 50)  # type: ignore[arg-type]
    assert chosen.refused == ("red_gain",)
    assert (chosen.red_gain, chosen.blue_gain) == (None, None)
    assert chosen.exposure_us is not None


@pytest.mark.parametrize(("light", "expected"), [(60.0, 1.122807), (0.01, 10.666667)], ids=["bright", "dim"])
def test_no_gain_is_asked_for_that_the_sensor_does_not_have(light: float, expected: float) -> None:
    """The least of a Camera Module 3 and the most of a Camera Module 2."""
    rig = UsbBench(gain_range=(1.122807, 10.666667), light=light)
    chosen = choose_controls(rig, VIEW, 0.8, 300, 50)  # type: ignore[arg-type]
    assert chosen.gain == pytest.approx(expected, rel=0.001)
    assert "gain" not in chosen.refused
