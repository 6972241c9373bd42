"""The page of what is proven as on a Pi has a row for each claim of a test in tests/pi, and no other."""

from __future__ import annotations

from pathlib import Path

import pytest
from support.paths import ROOT

from generate.proven import BEGIN, END, LINES, NOT_RUN, PAGE, Claim, claims, fill, rows

EMPTY = f"# Proven\n\n{BEGIN}\n{END}\n\n## What is not\n"
CLAIMS = [
    Claim("processor", "test_wheel.py", "The wheel installs | by the documented commands."),
    Claim("lines", "test_pulses.py", "Pulses are as wide as planned."),
]


def line(claim: Claim, case: str = "", **figures: object) -> dict[str, object]:
    return {
        "part": claim.part,
        "claim": claim.text,
        "figures": figures,
        "test": f"tests/pi/{claim.part}/{claim.file}::test_it{case}",
        "at": "2026-11-28",
        "versions": {"QEMU": "10.0.2"},
    }


def test_every_claim_has_its_row_and_every_row_its_claim() -> None:
    claimed = {claim.text: f"`{claim.file}`" for claim in claims()}
    assert {text: cells[2] for text, cells in rows(PAGE.read_text("utf-8")).items()} == claimed, (
        "`make proven` writes a row for what is missing; `make test-pi PART=...` before it says what was measured"
    )


def test_no_two_tests_claim_the_same() -> None:
    texts = [claim.text for claim in claims()]
    assert sorted(set(texts)) == sorted(texts)


def test_where_the_tests_write_is_where_the_page_is_read_from() -> None:
    written = (ROOT / "tests" / "pi" / "conftest.py").read_text("utf-8")
    assert ROOT / "build" / "pi" == LINES
    assert 'ROOT / "build" / "pi"' in written


def test_a_row_has_figures_with_their_units_and_the_versions_stand_above() -> None:
    wheel, pulses = CLAIMS
    told = [
        line(wheel, "[bookworm]", installed_mb=237, wheels=31),
        line(wheel, "[trixie]", installed_mb=250.5, wheels=30),
        line(pulses, late_p99_us=99_999),
        line(pulses, late_p99_us=1300, rate_per_s=30.0),
    ]
    page = fill(EMPTY, CLAIMS, told)
    assert rows(page) == {
        wheel.text: [
            wheel.text,
            "bookworm: installed: 237 MB, wheels: 31; trixie: installed: 250.5 MB, wheels: 30",
            "`test_wheel.py`",
            "2026-11-28",
        ],
        pulses.text: [pulses.text, "late p99: 1 300 us, rate: 30.0 per s", "`test_pulses.py`", "2026-11-28"],
    }
    assert "Run it: `make test-pi PART=processor`. Ran with QEMU 10.0.2." in page
    assert page.startswith("# Proven\n")
    assert page.endswith("## What is not\n")


def test_what_was_not_run_again_stays_and_what_nobody_claims_goes() -> None:
    wheel, pulses = CLAIMS
    first = fill(EMPTY, CLAIMS, [line(wheel, wheels=31), line(pulses)])
    assert fill(first, CLAIMS, []) == first
    second = fill(first, [wheel], [])
    assert list(rows(second)) == [wheel.text]
    assert "Ran with QEMU 10.0.2." in second


def test_what_never_ran_says_so_until_it_is_measured() -> None:
    wheel, pulses = CLAIMS
    page = fill(EMPTY, CLAIMS, [line(wheel, wheels=31)])
    assert rows(page)[pulses.text] == [pulses.text, NOT_RUN, "`test_pulses.py`", "never"]
    assert rows(fill(page, CLAIMS, []))[pulses.text][1] == NOT_RUN
    assert rows(fill(page, CLAIMS, [line(pulses, wide_ms=2)]))[pulses.text][1] == "wide: 2 ms"


def test_a_claim_is_found_wherever_it_is_passed_and_must_be_a_literal(tmp_path: Path) -> None:
    (tmp_path / "lines").mkdir()
    test = tmp_path / "lines" / "test_pulses.py"
    test.write_text("def test_it(proven):\n    proven(\n        'Pulses are '\n        'wide.', n=1)\n")
    assert claims(tmp_path) == [Claim("lines", "test_pulses.py", "Pulses are wide.")]
    test.write_text("def test_it(proven):\n    proven(f'Pulses {1}')\n")
    with pytest.raises(ValueError, match="expected the claim as a literal"):
        claims(tmp_path)
