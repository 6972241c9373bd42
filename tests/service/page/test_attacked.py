"""The page under a scanner that looks for the usual holes: Debian's Wapiti, signed in, against every address with a parameter."""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest

from edge.clock import SystemClock
from edge.journal.database import create_if_missing
from edge.web.station.pages import PAGES
from edge.web.station.token import read_token

pytestmark = pytest.mark.slow

MODULES = "cookieflags,crlf,csp,csrf,http_headers,methods,redirect,sql,xss"
AT_MOST_S = 50
ASKED = (
    "/enter?to=/bins",
    "/belt.jpg?after=1",
    "/crops/1.jpg?run=1",
    "/api/search?label=glass&bin=glass&reason=sorted",
    "/api/counts?from=2026-05-01",
)
# Of the headers that the scanner misses one is out of use and the other is for TLS, by a proxy.
WITHOUT = {"X-XSS-Protection is not set", "Strict-Transport-Security is not set"}


@pytest.fixture
def page(serve: Callable[..., Any]) -> Any:
    return serve(SystemClock())


def test_a_scanner_finds_nothing_and_changes_nothing(page: Any, tmp_path: Path) -> None:
    page.station.decide("glass", "glass")
    create_if_missing(page.station.folder / "journal.sqlite")
    token, report = read_token(page.station.folder), tmp_path / "report.json"
    starts = [part for path in ASKED for part in ("-s", f"{page.url}{path}")]
    command = ["wapiti", "-u", f"{page.url}/", "--scope", "domain", *starts, "-m", MODULES]
    command += ["-H", f"Authorization: Bearer {token}", "-d", "2", "-t", "5", "-S", "aggressive"]
    command += ["--max-scan-time", str(AT_MOST_S), "--store-session", str(tmp_path), "--flush-session"]
    done = subprocess.run(
        [*command, "-f", "json", "-o", str(report)], capture_output=True, text=True, timeout=4 * AT_MOST_S, check=False
    )
    assert done.returncode == 0, done.stdout[-2000:]
    asked = re.search(r"found (\d+) URLs", done.stdout)
    assert asked is not None
    assert int(asked[1]) >= len(ASKED) + len(PAGES)
    found = json.loads(report.read_text())
    assert found["infos"]["target"].startswith(page.url)
    told = {one["info"] for holes in found["vulnerabilities"].values() for one in holes}
    assert told <= WITHOUT, told
    assert not any(found["anomalies"].values()), found["anomalies"]
    assert page.station.pressed == []
    assert page.station.folder.joinpath("page-token").read_text().strip() == token
    assert httpx.get(f"{page.url}/healthz").status_code == 200
