"""Signing in on a station's page as its own script does."""

from __future__ import annotations

from pathlib import Path

import httpx

from edge.web.station.token import read_token


def sign_in(web: httpx.Client, folder: Path) -> None:
    """Have the client send from now on what the page's script sends."""
    answer = web.post("/sign-in", json={"token": read_token(folder)})
    assert answer.status_code == 200, answer.text
    web.headers["X-CSRF-Token"] = answer.json()["csrf"]
