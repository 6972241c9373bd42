"""Signing in on a station's page as its own script does."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx

from edge.web.station.token import read_token


def sign_in(web: httpx.Client, folder: Path, **how: Any) -> None:
    """Have the client send from now on what the page's script sends; `how` it asks is the client's own."""
    answer = web.post("/sign-in", json={"token": read_token(folder)}, **how)
    assert answer.status_code == 200, answer.text
    web.headers["X-CSRF-Token"] = answer.json()["csrf"]
