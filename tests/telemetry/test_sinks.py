"""A sink that blocks or fails costs what it should have got, and nobody's time."""

from __future__ import annotations

import io
import threading
from typing import Any

from grokcore.telemetry.sinks import FAILURES, Failures, SinkQueue, nonblocking_stream


def test_things_arrive_in_their_order() -> None:
    got: list[int] = []
    queue = SinkQueue[int]("webhook", got.append, failures=Failures())
    for number in range(500):
        queue.put(number)
    assert queue.close(patience=None)
    assert got == list(range(500))


def test_a_sink_that_takes_nothing_is_not_waited_for_and_loses_what_is_too_much() -> None:
    release, failures, said, got = threading.Event(), Failures(), [], []

    def deliver(number: int) -> None:
        release.wait()
        got.append(number)

    queue = SinkQueue[int]("webhook", deliver, room=10, notify=said.append, failures=failures)
    for number in range(100):
        queue.put(number)
    assert not queue.close(patience=0.01)
    assert failures.read()["webhook"] >= 89  # ten wait, and one may be on its way
    assert len(said) == 1, "one warning is enough"
    release.set()
    assert queue.close(patience=None)
    assert got[:10] == list(range(10))


def test_what_a_sink_raises_is_a_warning_and_the_next_thing_is_tried() -> None:
    failures, said, got = Failures(), [], []

    def deliver(number: int) -> None:
        if number < 3:
            raise OSError("disk full")
        got.append(number)

    queue = SinkQueue[int]("journal", deliver, notify=said.append, failures=failures)
    for number in range(5):
        queue.put(number)
    queue.close(patience=None)
    assert (said, failures.read()["journal"], got) == (["the journal cannot be written: disk full"], 3, [3, 4])


def test_a_stream_whose_reader_has_gone_raises_nothing() -> None:
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    before = FAILURES.read()["terminal"]
    with nonblocking_stream(Gone()) as stream:
        stream.write("step 1\n")
        stream.flush()
    assert FAILURES.read()["terminal"] == before + 1


def test_all_that_was_written_is_there_at_the_end() -> None:
    stream: Any = io.StringIO()
    with nonblocking_stream(stream) as unhurried:
        unhurried.writelines(f"{number}\n" for number in range(100))
        assert not unhurried.isatty()
    assert stream.getvalue().splitlines() == [str(number) for number in range(100)]
