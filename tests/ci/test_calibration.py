"""Intervals hold the truth as often as they say: a short version of `ci/calibrate`."""

from __future__ import annotations

import pytest

from ci.calibration.__main__ import main
from ci.calibration.coverage import LEAST, of_one_group, of_ratios
from ci.calibration.gate import CASES, NO_GAIN, NOMINAL, of_gate
from ci.calibration.worlds import TIMES

ROUNDS = 30
SLACK = 0.12
"""Three standard errors of a share of .95 in so many rounds: a right interval falls below .95 by less."""


@pytest.mark.parametrize("name", TIMES)
def test_what_is_printed_of_a_group_covers_at_every_number_of_seeds(name: str) -> None:
    rows = list(of_one_group(ROUNDS, seeds=(3, 6, 10), names=[name]))
    assert {row.interval for row in rows if row.printed} == {"median", "restricted mean", "survival"}
    assert not [row for row in rows if row.printed and row.seeds < 6 and row.interval != "survival"]
    assert not [row for row in rows if row.covered < 0.95 - SLACK]
    for interval in ("median", "restricted mean", "survival"):
        covered = [row.covered for row in rows if row.interval == interval and row.printed]
        assert sum(covered) / len(covered) >= LEAST


def test_the_ratio_of_two_groups_covers_and_three_seeds_set_no_limits() -> None:
    rows = list(of_ratios(25, seeds=(3, 4)))
    assert {row.printed for row in rows if row.seeds == 3} == {0}
    covered = [row.covered for row in rows if row.seeds == 4 and row.printed]
    assert sum(covered) / len(covered) >= LEAST


def test_the_gate_promotes_by_chance_no_more_often_than_it_says() -> None:
    rows = list(of_gate(60, seeds=(5, 6), cases=NO_GAIN))
    for case in NO_GAIN:
        promoted = [row.promoted for row in rows if row.case == case.name]
        assert sum(promoted) / len(promoted) <= NOMINAL
        assert max(promoted) <= NOMINAL + 0.08, "three standard errors of 60 rounds"


def test_the_gate_promotes_most_candidates_that_are_much_faster() -> None:
    rows = list(of_gate(40, seeds=(6,), cases=CASES[-1:], spreads=["log-normal .3"]))
    assert min(row.promoted for row in rows) >= 0.8


def test_the_command_prints_a_table_and_names_parts_that_there_are(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["bands"])
    assert "parts are intervals, ratios, gate, claims" in capsys.readouterr().err
