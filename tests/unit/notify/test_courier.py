"""Messages wait for a server that is away: not too many, in their order, and each with one name for all its tries."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from pathlib import Path

import pytest

from edge.clock import NS_PER_S, VirtualClock
from edge.errors import NotifyError
from edge.health.faults import Fault, FaultKind
from edge.health.retry import Backoff
from edge.notify.alerts import AlertKind, Alerts
from edge.notify.channel import Tries
from edge.notify.courier import MOST_WAITING, Courier
from edge.notify.message import Message
from edge.notify.told import ToldFaults

STOP = threading.Event()


class Post:
    """A place that may be out of reach."""

    name, place = "post", "the post office"

    def __init__(self) -> None:
        self.is_open = True
        self.tried: list[Message] = []
        self.taken: list[Message] = []

    def deliver(self, message: Message) -> None:
        self.tried.append(message)
        if not self.is_open:
            raise NotifyError("the post office is closed")
        self.taken.append(message)


class Setting:
    """A courier on a clock that the test moves."""

    def __init__(self, kept: Path | None = None, language: str = "en") -> None:
        self.clock, self.post = VirtualClock(), Post()
        self.faults: Sequence[Fault] = ()
        alerts = Alerts(frozenset(FaultKind), 0)
        told = ToldFaults(kept)
        self.courier = Courier(self.post, alerts, "line-1", lambda: self.faults, self.clock, Tries(), told, language)

    def show(self, *details: str, kind: FaultKind = FaultKind.BIN_FULL) -> None:
        self.faults = [Fault(kind, self.clock.now(), detail) for detail in details]

    def turn(self, seconds: float = 1.0) -> None:
        self.clock.advance_to(self.clock.now() + round(seconds * NS_PER_S))
        self.courier.turn(STOP)


@pytest.fixture
def setting() -> Setting:
    return Setting()


def test_a_message_has_the_words_of_the_fault_what_to_do_and_since_when(setting: Setting) -> None:
    setting.show("paper")
    setting.turn(0)
    setting.faults = ()
    setting.turn(3)
    raised, ended = setting.post.taken
    assert raised.title == "line-1: A bin is full: its items go to residual. (paper)"
    assert raised.text == (
        "A bin is full: its items go to residual. (paper) Empty the bin; without a sensor that sees it empty, press "
        "reset then.\nSince: 2026-01-01 00:00:00 UTC\nThe station's date may be wrong."
    )
    assert ended.title == "line-1: No longer: A bin is full: its items go to residual. (paper)"
    assert ended.text.splitlines()[1] == "Ended: 2026-01-01 00:00:03 UTC"


def test_a_message_is_in_the_stations_language_and_what_programs_read_stays(setting: Setting) -> None:
    vietnamese = Setting(language="vi")
    for one in (setting, vietnamese):
        one.show("paper")
        one.turn(0)
        one.faults = ()
        one.turn(3)
        one.courier.test()
    raised, ended, test = vietnamese.post.taken
    assert raised.title == "line-1: Có thùng đã đầy: vật của thùng này đang vào thùng còn lại. (giấy)"
    first, since, doubt = raised.text.splitlines()
    assert first.endswith("(giấy) Đổ thùng; nếu thùng không có cảm biến báo trống, nhấn nút đặt lại sau khi đổ.")
    assert (since, doubt) == ("Từ lúc: 2026-01-01 00:00:00 UTC", "Ngày giờ của trạm có thể sai.")
    assert ended.title.startswith("line-1: Đã hết: Có thùng đã đầy")
    assert ended.text.splitlines()[1] == "Hết lúc: 2026-01-01 00:00:03 UTC"
    assert test.title == "line-1: Tin nhắn thử"
    for english, other in zip(setting.post.taken, vietnamese.post.taken, strict=True):
        for name in ("kind", "station", "fault", "detail", "severity", "at", "times", "time"):
            assert getattr(english, name) == getattr(other, name), name


def test_what_could_not_be_delivered_is_tried_again_under_the_same_name_and_in_order(setting: Setting) -> None:
    setting.post.is_open = False
    setting.show("glass", "paper")
    setting.turn()
    assert setting.courier.trouble == "the post office is closed"
    setting.post.is_open = True
    setting.turn(10)
    assert setting.courier.trouble == ""
    assert [message.title.partition("(")[2] for message in setting.post.taken] == ["glass)", "paper)"]
    assert setting.post.tried[0].message_id == setting.post.taken[0].message_id != setting.post.taken[1].message_id


def test_a_server_that_stays_away_is_asked_more_and_more_rarely(setting: Setting) -> None:
    setting.post.is_open = False
    setting.show("glass")
    for _ in range(3600):
        setting.turn()
    assert 12 <= len(setting.post.tried) <= 40
    setting.post.is_open = True
    setting.turn(300)
    assert len(setting.post.taken) == 1


def test_no_more_wait_than_there_is_room_for_and_the_newest_are_kept(
    setting: Setting, caplog: pytest.LogCaptureFixture
) -> None:
    setting.post.is_open = False
    details = [f"bin-{number:03}" for number in range(MOST_WAITING + 7)]
    setting.show(*details)
    setting.turn()
    assert sum("dropped" in line for line in caplog.messages) == 7
    setting.post.is_open = True
    setting.turn(10)
    assert [message.title.partition("(")[2][:-1] for message in setting.post.taken] == details[7:]


def test_what_is_wrong_with_itself_is_not_told_by_it(setting: Setting) -> None:
    setting.show("post: the post office is closed", "mqtt: broker:1883 refuses connections", kind=FaultKind.NOTIFY_DOWN)
    setting.turn()
    assert [message.title for message in setting.post.taken] == [
        "line-1: Messages can't be delivered; sorting is not affected. (mqtt: broker:1883 refuses connections)"
    ]


def test_stations_that_lost_the_same_server_do_not_come_back_at_the_same_instant() -> None:
    waits = {Tries(Backoff(first=NS_PER_S)).next_wait() for _ in range(50)}
    assert len(waits) == 50
    assert all(NS_PER_S // 2 <= wait <= NS_PER_S for wait in waits)


def test_a_fault_that_outlives_the_service_is_told_of_once_and_so_is_its_end(tmp_path: Path) -> None:
    kept = tmp_path / "told.json"
    for run in range(3):  # as a lost camera has it start anew
        setting = Setting(kept)
        setting.turn()
        setting.show("paper")
        setting.turn(100)
        setting.turn(300)
        assert len(setting.post.taken) == (run == 0)
    setting = Setting(kept)
    setting.turn()
    setting.turn(601)
    assert [message.kind for message in setting.post.taken] == [AlertKind.ENDED]
    again = Setting(kept)
    again.show("paper")
    again.turn()
    assert [message.kind for message in again.post.taken] == [AlertKind.RAISED]


def test_what_was_not_delivered_before_a_restart_is_told_after_it(tmp_path: Path) -> None:
    first, second = Setting(tmp_path / "told.json"), Setting(tmp_path / "told.json")
    first.post.is_open = False
    for setting in (first, second):
        setting.show("paper")
        setting.turn()
    assert [message.detail for message in second.post.taken] == ["paper"]


@pytest.mark.parametrize("content", [b"", b"[[]]", b'[["no-such-fault", ""]]', b"{", b"7", b"\xff", b"[" * 50_000])
def test_a_damaged_file_costs_a_message_and_no_more(tmp_path: Path, content: bytes) -> None:
    kept = tmp_path / "told.json"
    kept.write_bytes(content)
    setting = Setting(kept)
    setting.show("paper")
    setting.turn()
    assert len(setting.post.taken) == 1
    assert ToldFaults(kept).load() == {(FaultKind.BIN_FULL, "paper")}
