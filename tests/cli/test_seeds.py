"""`--seeds`: what it means, and one line for what it does not."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from grokcore.cli import main
from grokcore.errors import InputError
from grokcore.spec.loading import parse_seeds
from grokcore.terminal.tables import print_seeds
from tests.evaluation.made_up import evaluation


@pytest.mark.parametrize(
    ("text", "seeds"),
    [
        ("0..7", [0, 1, 2, 3, 4, 5, 6, 7]),
        ("0,3,5", [0, 3, 5]),
        ("0..3,8", [0, 1, 2, 3, 8]),
        ("5", [5]),
        ("8, 0..1", [8, 0, 1]),
        ("4..4", [4]),
    ],
)
def test_lists_and_ranges_of_seeds(text: str, seeds: list[int]) -> None:
    assert parse_seeds(text) == seeds


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "'' is not a seed"),
        ("1,", "'' is not a seed"),
        ("-1", "'-1' is not a seed; write 0..7, or 0,3,5, or 0..3,8"),
        ("0-7", "'0-7' is not a seed"),
        ("0...7", "'0...7' is not a seed"),
        ("..7", "'..7' is not a seed"),
        ("1.5", "'1.5' is not a seed"),
        ("٣", "is not a seed"),
        ("7..0", "runs backwards; write 0..7"),
        ("0..3,2", "seed 2 is named twice"),
        ("0..1000", "more than 1000 seeds"),
        ("0..99999999999999999", "more than 1000 seeds"),
    ],
)
def test_anything_else_is_one_line_that_says_what_to_write(text: str, said: str) -> None:
    with pytest.raises(InputError) as caught:
        parse_seeds(text)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--seeds", "3..1"], "runs backwards"),
        (["--seeds", "0,1", "--set", "seed=4"], "--seeds and --set seed contradict each other"),
        (["--seeds", "0,1", "--set", "model.layer=2"], "model.layer: there is no such field"),
        (["--seeds", "0,1"], "there is no dataset"),
    ],
)
def test_wrong_input_ends_before_anything_is_written(
    options: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["train", "smoke", "--data", "absent", "--out", "out", *options]) == 2
    output = capsys.readouterr()
    assert said in output.err
    assert output.err.startswith("grokcore: ")
    assert len(output.err.splitlines()) == 1
    assert list(tmp_path.iterdir()) == []


def test_one_seed_or_several(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["train", "smoke", "--data", "d", "--out", "o", "--seed", "1", "--seeds", "0,1"])
    assert caught.value.code == 2
    assert "not allowed with argument --seed" in capsys.readouterr().err


def test_seeds_belong_to_training(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["spec", "smoke", "--seeds", "0,1"])
    assert "--seeds" in capsys.readouterr().err


def test_a_run_counts_once_among_the_seeds_of_a_spec(
    smoke_run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    shutil.copytree(smoke_run, tmp_path / "copy")
    assert main(["evaluate", str(smoke_run), str(tmp_path / "copy")]) == 2
    assert "are the same run" in capsys.readouterr().err


def test_a_summary_names_medians_ranges_and_verdicts_and_keeps_what_is_censored(
    capsys: pytest.CaptureFixture[str],
) -> None:
    runs = {"seed-0": evaluation(300, 1.0), "seed-1": evaluation(None, 0.5), "seed-10": evaluation(None, 0.7)}
    print_seeds(runs, "demo")
    assert capsys.readouterr().out.splitlines() == [
        "demo: 3 runs that differ only in their seed",
        "final accuracy, and the step from which 0.99 was sustained",
        "           training set    test",
        "  seed-0   1.000 from 300  1.000 from 300",
        "  seed-1   1.000 censored  0.500 censored",
        "  seed-10  1.000 censored  0.700 censored",
        "median over the runs, and range; censored runs count as later than their end (Kaplan-Meier)",
        "                sustained from step   final accuracy          verdicts",
        "  training set  > 900 (300 to > 900)  1.000 (1.000 to 1.000)",
        "  test          > 900 (300 to > 900)  0.700 (0.500 to 1.000)  1 grokked, 2 censored",
    ]
