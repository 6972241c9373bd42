"""The language in which the page answers, and what is put into it."""

from __future__ import annotations

import pytest
from starlette.requests import Request
from starlette.testclient import TestClient
from support.stations import YARD, make_station

from edge.clock import VirtualClock
from edge.status.live import LiveView
from edge.web.station.app import build_app
from edge.web.translating import Translator


@pytest.mark.parametrize(
    ("chosen", "asked", "language"),
    [("", "", "vi"), ("", "fr", "vi"), ("", "en-US,vi;q=0.5", "en"), ("en", "vi", "en"), ("xx", "", "vi")],
)
def test_the_page_and_its_scripts_speak_the_stations_language_unless_a_visitor_wants_another(
    chosen: str, asked: str, language: str
) -> None:
    clock = VirtualClock()
    app = build_app(LiveView(clock), make_station(YARD, language="vi"), None, clock)
    headers = {"Accept-Language": asked, "Cookie": f"language={chosen}"}
    web = TestClient(app, base_url="http://127.0.0.1", headers=headers)
    page, words = web.get("/"), web.get("/words.js")
    assert f'<html lang="{language}">' in page.text
    assert words.text.startswith(f'export const language = "{language}";')
    assert ("Ngôn ngữ" in page.text) == ("Ngôn ngữ" in words.text) == (language == "vi")
    assert page.headers["Vary"] == words.headers["Vary"] == "Accept-Language, Cookie"


def test_what_is_put_in_is_never_markup_and_is_not_looked_at_again() -> None:
    request = Request({"type": "http", "headers": [(b"accept-language", b"vi")]})
    values = {"station": "<b>[[Now]] {{station}} {station}", "other": "{{languages}}"}
    answer = Translator().answer(request, "{{station}}|[[Now]]|[[By: {who}.]]|{{other}}", {**values, "who": "<i>&"})
    told = bytes(answer.body).decode()
    assert told == "&lt;b&gt;[[Now]] {{station}} {station}|Hiện tại|Người dừng: &lt;i&gt;&amp;.|{{languages}}"


def test_commands_are_set_apart_in_text_and_left_alone_in_attributes() -> None:
    request = Request({"type": "http", "headers": [(b"accept-language", b"vi")]})
    answer = Translator().answer(request, '<p title="[[Run `sorter calibrate`.]]">[[Run `sorter calibrate`.]]</p>', {})
    told = bytes(answer.body).decode()
    assert told == '<p title="Chạy `sorter calibrate`.">Chạy <code>sorter calibrate</code>.</p>'
