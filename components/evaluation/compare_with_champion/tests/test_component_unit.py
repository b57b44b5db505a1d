import json
import math
from pathlib import Path
from typing import Any

import pytest
from kfp import dsl

from components.evaluation.compare_with_champion import compare_with_champion
from grokcore.champions import promote, read_decision
from tests.evaluation.made_up import write
from tests.reporting.made_up_groups import run_of

compare = compare_with_champion.python_func


def candidate(place: Path, *overrides: str, ood: float | None, reason: str = "budget_steps") -> dsl.Artifact:
    """Evaluations of five seeds, as evaluate_runs leaves them."""
    uris = {}
    for seed in range(5):
        run = run_of(f"seed={seed}", *overrides, ood=None if ood is None else ood + 40 * seed, exit_reason=reason)
        write(run, place / f"seed-{seed}")
        uris[f"seed-{seed}"] = f"s3://lab/runs/{run.spec.run_id}/key"
    return dsl.Artifact(uri=str(place), metadata={"run_uris": uris})


def call(place: Path, evaluations: dsl.Artifact, key: str, **changes: Any) -> tuple[str, dsl.Metrics]:
    metrics = dsl.Metrics(uri=str(place / "metrics"))
    found = compare(
        evaluations,
        dsl.Artifact(uri=str(place / f"{key}.json")),
        dsl.Markdown(uri=str(place / f"{key}.md")),
        metrics,
        **{"store": str(place / "store"), "run_key": key, **changes},
    )
    return found, metrics


def test_a_first_candidate_then_a_faster_one_then_a_slower_one(tmp_path: Path):
    first, _ = call(tmp_path, candidate(tmp_path / "first", ood=1200), "one")
    assert first == "promote"
    record = read_decision(str(tmp_path / "store" / "retrainings" / "default" / "one.json"))
    assert record == read_decision(str(tmp_path / "one.json"))
    assert record.runs[0].startswith("s3://lab/runs/")
    assert promote(record).promoted == 1

    faster, metrics = call(tmp_path, candidate(tmp_path / "faster", "training.weight_decay=0.5", ood=600), "two")
    assert faster == "promote"
    assert metrics.metadata["time_gain"] == pytest.approx(0.5, abs=0.1)
    assert metrics.metadata["accuracy_gain"] == 0
    assert metrics.metadata["seeds_grokked"] == 5
    assert "median final accuracy" in (tmp_path / "two.md").read_text()

    slower, metrics = call(tmp_path, candidate(tmp_path / "slower", "training.weight_decay=0.2", ood=None), "three")
    assert slower == "keep"
    assert metrics.metadata["seeds_grokked"] == 0
    assert all(math.isfinite(value) for value in metrics.metadata.values())


def test_a_candidate_that_diverged_is_kept_out_and_nothing_breaks(tmp_path: Path):
    found, metrics = call(tmp_path, candidate(tmp_path / "runs", ood=None, reason="diverged"), "one")
    assert found == "keep"
    assert set(metrics.metadata) == {"seeds_grokked"}
    assert "diverged" in (tmp_path / "one.md").read_text()


def test_the_same_key_again_finds_what_was_promoted(tmp_path: Path):
    runs = candidate(tmp_path / "first", ood=1200)
    call(tmp_path, runs, "one")
    promote(read_decision(str(tmp_path / "one.json")))
    assert call(tmp_path, runs, "one")[0] == "promote"
    assert json.loads((tmp_path / "one.json").read_text())["promoted"] == 1
    assert call(tmp_path, runs, "two")[0] == "keep"
    assert "its own experiment" not in (tmp_path / "two.md").read_text()
    assert "own experiment" in (tmp_path / "two.md").read_text()


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"gate": "confidence=2"}, "confidence"),
        ({"champion": "a/b"}, "champion's name"),
        ({"store": ""}, "GROKCORE_STORE"),
        ({"run_key": ""}, "run_key"),
    ],
)
def test_what_is_wrong_is_one_line_with_exit_code_2(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], changes: dict[str, Any], named: str
):
    with pytest.raises(SystemExit) as exit_:
        call(tmp_path, candidate(tmp_path / "runs", ood=1200), "one", **changes)
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert named in error
    assert error.count("\n") == 1


def test_runs_of_two_experiments_are_no_candidate(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    runs = candidate(tmp_path / "runs", ood=1200)
    write(run_of("seed=7", "training.weight_decay=0.5"), tmp_path / "runs" / "seed-7")
    with pytest.raises(SystemExit) as exit_:
        call(tmp_path, runs, "one")
    assert exit_.value.code == 2
    assert "more than its seed" in capsys.readouterr().err


def test_the_key_is_checked_before_the_evaluations_are_read(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    with pytest.raises(SystemExit) as exit_:
        call(tmp_path, dsl.Artifact(uri=str(tmp_path / "nothing")), "of monday")
    assert exit_.value.code == 2
    assert "run_key" in capsys.readouterr().err


def test_the_last_default_of_the_key_is_the_pipelines_run(tmp_path: Path):
    run = "0d6f2f8e-7c4b-4b57-9f5c-6a2f5f1f2f10"
    place = tmp_path / "mine" / run / "compare-with-champion"
    place.mkdir(parents=True)
    call(place, candidate(tmp_path / "runs", ood=1200), "decision", run_key="", store=str(tmp_path / "store"))
    assert read_decision(str(tmp_path / "store" / "retrainings" / "default" / f"{run}.json")).verdict == "promote"
