"""A signal may come between any two steps of the main thread: whatever it holds then, the run ends."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from queue import SimpleQueue

import pytest

from edge.service.signals import Asked, taking_signals

STOPS = (signal.SIGTERM, signal.SIGINT)


@pytest.fixture
def done() -> list[str]:
    """What was carried out, in its order."""
    return []


@pytest.fixture
def asked(done: list[str]) -> Iterator[Asked]:
    """What signals ask for, while they are taken."""
    queue: Asked = SimpleQueue()
    with taking_signals(queue, lambda: done.append("stop"), lambda: done.append("reset")):
        yield queue


def carry_out(asked: Asked) -> None:
    while not asked.empty():
        asked.get()()


@pytest.mark.parametrize("sent", STOPS)
def test_a_signal_changes_nothing_until_the_main_thread_looks(
    asked: Asked, done: list[str], sent: signal.Signals, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("INFO")
    signal.raise_signal(signal.SIGUSR1)
    signal.raise_signal(sent)
    assert (done, caplog.messages) == ([], [])
    carry_out(asked)
    assert (done, caplog.messages) == (["reset", "stop"], [f"stopping on {sent.name}"])


@pytest.mark.parametrize("sent", STOPS)
def test_the_second_one_ends_the_process_at_once(asked: Asked, sent: signal.Signals) -> None:
    signal.raise_signal(sent)
    assert signal.getsignal(sent) is signal.SIG_DFL
    assert not asked.empty()


def test_afterwards_signals_mean_what_they_meant_before() -> None:
    numbers = (*STOPS, signal.SIGUSR1)
    before = [signal.getsignal(number) for number in numbers]
    with taking_signals(SimpleQueue(), lambda: None, lambda: None):
        assert all(signal.getsignal(number) not in before for number in numbers)
    assert [signal.getsignal(number) for number in numbers] == before


def test_other_threads_leave_signals_alone() -> None:
    before = signal.getsignal(signal.SIGTERM)
    seen: list[object] = []

    def elsewhere() -> None:
        with taking_signals(SimpleQueue(), lambda: None, lambda: None):
            seen.append(signal.getsignal(signal.SIGTERM))

    thread = threading.Thread(target=elsewhere)
    thread.start()
    thread.join()
    assert seen == [before]
