"""The journal is readable at any moment, on every kind of store, and goes on from other lines."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from grokcore.errors import InputError
from grokcore.runs import JOURNAL, Journal, finite, read_journal
from grokcore.runs.follow import tail_of
from grokcore.runs.journal import checked_lines, encode, last_evaluation, upgraded_journal
from grokcore.storage import FileStore

GOLDEN = Path(__file__).parents[1] / "golden" / "smoke.jsonl"
LINE = {"train": {"accuracy": 1.0}, "splits": {}, "phases": {"memorized": None}, "clock": {}}


class NoDirectory(FileStore):
    """A store that can append nothing, as object storage cannot."""

    directory = None


def write(run: Path, steps: list[int], torn: bytes = b"") -> Path:
    journal = Journal(FileStore(run))
    for step in steps:
        journal.append({"step": step, **LINE})
    journal.close()
    path = run / "metrics.jsonl"
    with path.open("ab") as file:
        file.write(torn)
    return path


def test_a_line_is_there_once_it_is_appended_and_one_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    path = write(tmp_path, [1, 2], torn=b'{"step": 3, "tr')
    assert [line["step"] for line in read_journal(path)] == [1, 2]


def test_a_journal_goes_on_from_the_lines_it_is_given(tmp_path: Path) -> None:
    path = write(tmp_path, [1, 2, 3, 4], torn=b'{"step"')
    first = path.read_bytes().splitlines(keepends=True)[0]
    journal = Journal(FileStore(tmp_path), first)
    assert [line["step"] for line in read_journal(path)] == [1]
    journal.append({"step": 7, **LINE})
    assert [line["step"] for line in read_journal(path)] == [1, 7]
    journal.replace(first)
    journal.append({"step": 9, **LINE})
    assert [line["step"] for line in read_journal(path)] == [1, 9]
    assert journal.content == path.read_bytes()
    journal.close()


def test_where_nothing_can_be_appended_the_whole_journal_is_put_when_there_is_time(tmp_path: Path) -> None:
    due: list[Callable[[], None]] = []
    journal = Journal(NoDirectory(tmp_path), defer=due.append)
    for step in (1, 2):
        journal.append({"step": step, **LINE})
    path = tmp_path / "metrics.jsonl"
    assert path.read_bytes() == b""
    due[0]()
    assert [line["step"] for line in read_journal(path)] == [1, 2]


@pytest.mark.parametrize("damage", [b"nonsense\n", b"[1]\n", b'{"step": "1"}\n', b'{"step": 1}\n', b"\xff\n", b"3\n"])
def test_damage_is_reported_with_its_line(tmp_path: Path, damage: bytes) -> None:
    path = write(tmp_path, [1], torn=damage)
    path.write_bytes(path.read_bytes() + path.read_bytes().splitlines(keepends=True)[0])
    with pytest.raises(InputError, match="line 2, is not an evaluation"):
        read_journal(path)


def test_json_has_no_number_for_what_is_not_finite(tmp_path: Path) -> None:
    assert finite(1.5) == 1.5
    assert finite(float("nan")) is None
    assert finite(float("inf")) is None
    with pytest.raises(ValueError, match="not JSON compliant"):
        Journal(FileStore(tmp_path)).append({"step": 1, "loss": float("nan")})


def former(line: dict[str, Any]) -> dict[str, Any]:
    """A line as journals of format 1 have it."""
    return json.loads(json.dumps(line).replace('"sustained":', '"grokked":'))


def test_a_real_journal_of_format_1_is_read_in_the_present_format(tmp_path: Path) -> None:
    old = [{**json.loads(line), "clock": {"elapsed_seconds": 1.0}} for line in GOLDEN.read_text().splitlines()]
    old[-1]["phases"]["test_inferred_iid"]["grokked"] = 40
    path = tmp_path / JOURNAL
    path.write_bytes(b"".join(map(encode, old)))
    before = path.read_bytes()
    lines = checked_lines(read_journal(path), path)
    assert [set(line["phases"]["test_inferred_iid"]) for line in lines] == [{"onset", "sustained", "collapsed"}] * 15
    assert lines[-1]["phases"]["test_inferred_iid"]["sustained"] == 40
    assert [former(line) for line in lines] == old, "nothing else is changed"
    assert last_evaluation(FileStore(tmp_path)) == lines[-1]
    assert tail_of(FileStore(tmp_path))() == (lines, True)
    assert path.read_bytes() == before, "a file is upgraded when it is read, never on disk"


def test_a_journal_is_rewritten_in_the_present_format_and_one_that_has_it_stays(tmp_path: Path) -> None:
    line = {"step": 1, **LINE, "phases": {"memorized": None, "test": {"onset": 1, "sustained": 2, "collapsed": None}}}
    new, old = encode(line), encode(former(line))
    assert upgraded_journal(new, "new") == new
    assert upgraded_journal(old + new, "a run that went on") == new + new
