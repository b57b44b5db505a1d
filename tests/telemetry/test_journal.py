"""The journal is readable at any moment, and can be cut back."""

from __future__ import annotations

from pathlib import Path

import pytest

from grokcore.errors import InputError
from grokcore.telemetry import Journal, cut_back, finite, read_journal

LINE = {"train": {"accuracy": 1.0}, "splits": {}, "phases": {"memorized": None}, "clock": {}}


def write(path: Path, steps: list[int], torn: bytes = b"") -> None:
    journal = Journal(path)
    for step in steps:
        journal.append({"step": step, **LINE})
    journal.close()
    with path.open("ab") as file:
        file.write(torn)


def test_a_line_that_is_being_written_is_left_out(tmp_path: Path) -> None:
    write(tmp_path / "j", [1, 2], torn=b'{"step": 3, "tr')
    assert [line["step"] for line in read_journal(tmp_path / "j")] == [1, 2]


def test_cutting_back_drops_later_and_torn_lines(tmp_path: Path) -> None:
    write(tmp_path / "j", [1, 2, 3, 4], torn=b'{"step"')
    assert [line["step"] for line in cut_back(tmp_path / "j", 2)] == [1, 2]
    write(tmp_path / "j", [3])
    assert [line["step"] for line in read_journal(tmp_path / "j")] == [1, 2, 3]
    assert cut_back(tmp_path / "absent", 1) == []


@pytest.mark.parametrize("damage", [b"nonsense\n", b"[1]\n", b'{"step": "1"}\n', b'{"step": 1}\n', b"\xff\n", b"3\n"])
def test_damage_is_reported_with_its_line(tmp_path: Path, damage: bytes) -> None:
    write(tmp_path / "j", [1], torn=damage)
    write(tmp_path / "j", [2])
    with pytest.raises(InputError, match="line 2, is no evaluation"):
        read_journal(tmp_path / "j")


def test_json_has_no_number_for_what_is_not_finite(tmp_path: Path) -> None:
    assert finite(1.5) == 1.5
    assert finite(float("nan")) is None
    assert finite(float("inf")) is None
    with pytest.raises(ValueError, match="not JSON compliant"):
        Journal(tmp_path / "j").append({"step": 1, "loss": float("nan")})
