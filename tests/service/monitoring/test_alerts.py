"""Every alert rings at the station that has the trouble and at no other; judged by Prometheus's own tool."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from support.monitoring import ALERTS, FOLDER
from support.prometheus import promtool

# For each alert: what the troubled station's series are, what another one's are, step by step, and after how many.
# `5x60` stays at 5 for 60 steps; `0+3x60` grows by 3 in each. A step is a minute, or ten where it is about a week.
WEEK = 7 * 24 * 6
OVER_WEEKS = {"SorterUnsure", "SorterLensDirty"}
Series = dict[str, str]
CASES: dict[str, tuple[Series, Series, int]] = {
    "SorterDoesNotAnswer": ({'up{job="sorter"}': "0x10"}, {'up{job="sorter"}': "1x10"}, 5),
    "SorterFault": (
        {'sorter_fault{kind="jam",severity="fault"}': "1x10"},
        {'sorter_fault{kind="jam",severity="fault"}': "0x10"},
        5,
    ),
    "SorterBinFull": ({'sorter_bin_full{bin="glass"}': "1x10"}, {'sorter_bin_full{bin="glass"}': "0x10"}, 5),
    "SorterBinNearlyFull": (
        {
            'sorter_bin_items{bin="glass"}': "95x20",
            'sorter_bin_capacity_items{bin="glass"}': "100x20",
            'sorter_bin_full{bin="glass"}': "0x20",
        },
        {
            'sorter_bin_items{bin="glass"}': "85x20",
            'sorter_bin_capacity_items{bin="glass"}': "100x20",
            'sorter_bin_full{bin="glass"}': "0x20",
        },
        10,
    ),
    "SorterForgottenStop": (
        {'sorter_state{state="stopped"}': "1x90"},
        {'sorter_state{state="stopped"}': "1x40 0x50"},
        80,
    ),
    "SorterWarning": (
        {'sorter_fault{kind="hot",severity="warning"}': "1x30"},
        {
            'sorter_fault{kind="hot",severity="warning"}': "1x5 0x25",
            'sorter_fault{kind="bin-full",severity="warning"}': "1x30",
        },
        20,
    ),
    "SorterRowsLost": (
        {'sorter_journal_rows_total{outcome="lost"}': "0x10 0+1x10"},
        {'sorter_journal_rows_total{outcome="lost"}': "7x20"},
        15,
    ),
    "SorterStrokesFail": (
        {
            'sorter_strokes_total{actuator="flap",outcome="fired"}': "0+18x60",
            'sorter_strokes_total{actuator="flap",outcome="refused"}': "0+2x60",
        },
        {
            'sorter_strokes_total{actuator="flap",outcome="fired"}': "0+20x60",
            'sorter_strokes_total{actuator="flap",outcome="refused"}': "0x60",
        },
        40,
    ),
    "SorterLittleTimeToSpare": (
        {
            'sorter_spare_time_seconds_bucket{le="0.002"}': "0+1x60",
            'sorter_spare_time_seconds_bucket{le="+Inf"}': "0+20x60",
            "sorter_spare_time_seconds_count": "0+20x60",
        },
        {
            'sorter_spare_time_seconds_bucket{le="0.2"}': "0x60",
            'sorter_spare_time_seconds_bucket{le="0.5"}': "0+20x60",
            'sorter_spare_time_seconds_bucket{le="+Inf"}': "0+20x60",
            "sorter_spare_time_seconds_count": "0+20x60",
        },
        50,
    ),
    "SorterUnsure": (
        {
            'sorter_items_total{reason="unsure"}': f"0+10x{WEEK} {10 * WEEK + 80}+80x18",
            'sorter_items_total{reason="sorted"}': f"0+190x{WEEK + 18}",
        },
        {
            'sorter_items_total{reason="unsure"}': f"0+10x{WEEK} {10 * WEEK + 20}+20x18",
            'sorter_items_total{reason="sorted"}': f"0+190x{WEEK + 18}",
        },
        WEEK + 15,
    ),
    "SorterLensDirty": (
        {
            "sorter_crop_sharpness_sum": f"0+20000x{WEEK} {20000 * WEEK}+6000x60",
            "sorter_crop_sharpness_count": f"0+200x{WEEK + 60}",
        },
        {
            "sorter_crop_sharpness_sum": f"0+20000x{WEEK} {20000 * WEEK}+16000x60",
            "sorter_crop_sharpness_count": f"0+200x{WEEK + 60}",
        },
        WEEK + 50,
    ),
    "SorterLightChanged": (
        {"sorter_picture_brightness": "60x60", "sorter_calibration_brightness": "118x60"},
        {"sorter_picture_brightness": "100x60", "sorter_calibration_brightness": "118x60"},
        50,
    ),
    "SorterRestarts": (
        {'process_start_time_seconds{job="sorter"}': "1x10 2x10 3x10 4x10"},
        {'process_start_time_seconds{job="sorter"}': "1x10 2x40"},
        45,
    ),
    # The tool's clock begins in 1970.
    "SorterCalibrationOld": (
        {'sorter_calibration_timestamp_seconds{step="camera"}': f"{-200 * 86400}x180"},
        {'sorter_calibration_timestamp_seconds{step="camera"}': f"{-100 * 86400}x180"},
        120,
    ),
    "SorterDiskNearlyFull": ({"sorter_disk_free_bytes": "4e8x120"}, {"sorter_disk_free_bytes": "6e8x120"}, 100),
}


def named(series: Series, station: str) -> list[dict[str, str]]:
    """Return input series with the station's label, as its scrape has it."""
    told = []
    for name, values in series.items():
        metric, _, labels = name.rstrip("}").partition("{")
        told.append({"series": f'{metric}{{{labels}{"," if labels else ""}station="{station}"}}', "values": values})
    return told


def judge(folder: Path, test: dict[str, Any], step: int = 1) -> None:
    """Have promtool run a test with a sample and an evaluation every `step` minutes."""
    every = f"{step}m"
    rules = {"rule_files": [str(ALERTS)], "evaluation_interval": every, "tests": [{"interval": every} | test]}
    path = folder / "rules.json"  # which is YAML too
    path.write_text(json.dumps(rules))
    done = promtool("test", "rules", str(path))
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("alert", CASES)
def test_it_rings_at_the_station_that_has_the_trouble_and_nothing_else_does(alert: str, tmp_path: Path) -> None:
    bad, good, steps = CASES[alert]
    step = 10 if alert in OVER_WEEKS else 1
    ringing = {"labels": f'{{alertname="{alert}", station="line-1"}}', "value": 1}
    judge(
        tmp_path,
        {
            "input_series": [*named(bad, "line-1"), *named(good, "line-2")],
            "promql_expr_test": [
                {
                    "expr": 'count by (alertname, station) (ALERTS{alertstate="firing"})',
                    "eval_time": f"{steps * step}m",
                    "exp_samples": [ringing],
                }
            ],
        },
        step,
    )


@pytest.mark.parametrize(("second", "rings"), [("1.1", False), ("1.2", True)])
def test_two_versions_of_a_model_in_one_hall_are_told_after_a_day(second: str, rings: bool, tmp_path: Path) -> None:
    series = [
        {"series": f'sorter_model_info{{name="waste",version="{version}",station="{station}"}}', "values": "1x1500"}
        for station, version in (("line-1", "1.1"), ("line-2", second))
    ]
    expected = [{"labels": '{alertname="SorterModelsDiffer", name="waste"}', "value": 1}] if rings else []
    asked = {"expr": 'count by (alertname, name) (ALERTS{alertstate="firing"})', "exp_samples": expected}
    judge(tmp_path, {"input_series": series, "promql_expr_test": [asked | {"eval_time": "1450m"}]})


def test_what_an_alert_says_can_be_read(tmp_path: Path) -> None:
    bad, _, minutes = CASES["SorterCalibrationOld"]
    told = {
        "exp_labels": {"station": "line-1", "step": "camera", "severity": "info"},
        "exp_annotations": {
            "summary": "line-1: camera was calibrated 200 days ago",
            "description": "`sorter calibrate verify` says whether it still fits.",
        },
    }
    asked = {"alertname": "SorterCalibrationOld", "eval_time": f"{minutes}m", "exp_alerts": [told]}
    judge(tmp_path, {"input_series": named(bad, "line-1"), "alert_rule_test": [asked]})


def test_no_alert_is_untried() -> None:
    groups = yaml.safe_load(ALERTS.read_text("utf-8"))["groups"]
    assert {rule["alert"] for group in groups for rule in group["rules"]} == {*CASES, "SorterModelsDiffer"}


def test_promtool_takes_the_rules_and_the_configuration() -> None:
    for arguments in (("rules", ALERTS), ("config", FOLDER / "prometheus.yml")):
        done = promtool("check", *map(str, arguments))
        assert done.returncode == 0, done.stdout
