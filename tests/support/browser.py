"""A page in Chromium: its size, its text, what it asks for and how far its letters stand out."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from selenium import webdriver
from selenium.common.exceptions import TimeoutException
from selenium.webdriver.support.wait import WebDriverWait

WAIT_S = 60


def requests_of(chrome: webdriver.Chrome) -> list[str]:
    messages = (json.loads(entry["message"])["message"] for entry in chrome.get_log("performance"))
    return [m["params"]["request"]["url"] for m in messages if m["method"] == "Network.requestWillBeSent"]


def resize(chrome: webdriver.Chrome, width: int, height: int) -> None:
    """Give the page exactly this room, as a phone or a screen of this size would."""
    metrics = {"width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600}
    chrome.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", metrics)


def wait_for_text(chrome: webdriver.Chrome, selector: str, text: str) -> None:
    """Wait until the text is shown somewhere in what the selector matches; blank lines don't count."""
    shown = ""

    def is_there(_: webdriver.Chrome) -> bool:
        nonlocal shown
        found = chrome.execute_script(
            "return [...document.querySelectorAll(arguments[0])].map((e) => e.innerText)", selector
        )
        shown = re.sub(r"\n+", "\n", "\n".join(found))
        return text in shown

    try:
        WebDriverWait(chrome, WAIT_S, poll_frequency=0.05).until(is_there)
    except TimeoutException:
        pytest.fail(f"{selector} did not show {text!r} within {WAIT_S} s but {shown!r}")


def measure(chrome: webdriver.Chrome, expression: str) -> Any:
    return chrome.execute_script(f"return {expression}")


CONTRAST = """
const parse = (colour) => { const n = colour.match(/[\\d.]+/g).map(Number); return n.length < 4 ? [...n, 1] : n; };
const light = ([r, g, b]) => [r, g, b].map((v) => v / 255)
  .map((v) => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
  .reduce((sum, v, n) => sum + v * [0.2126, 0.7152, 0.0722][n], 0);
const ground = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c[3] > 0.8) return c; } return [255, 255, 255, 1]; };
const own = (e) => [...e.childNodes].some((n) => n.nodeType === 3 && n.data.trim());
return [...document.querySelectorAll("body *")].filter((e) => own(e) && e.checkVisibility() && !e.closest("noscript, .skip"))
  .map((e) => [e, light(parse(getComputedStyle(e).color)), light(ground(e))])
  .map(([e, a, b]) => [e.className || e.id || e.tagName, (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05)])
  .filter(([, ratio]) => ratio < 4.5);
"""
