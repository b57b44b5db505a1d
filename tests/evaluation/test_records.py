"""Runs are found below a place, read whole or refused in one line, and put together where only their seeds differ."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from grokcore.errors import InputError
from grokcore.evaluation.records import read_records
from grokcore.runs.fields import differing_fields, distinguishing_fields, fields_of
from grokcore.runs.groups import by_draw, groups_of
from grokcore.spec import load_spec, resolve
from grokcore.storage import open_store
from tests.evaluation.made_up import Rise, record, write


def spec(*overrides: str, base: str = "smoke"):  # type: ignore[no-untyped-def]
    return resolve(load_spec(base, ["training.precision=fp32", "training.max_steps=60", *overrides]))


def made(*overrides: str, at: float | None = 40):  # type: ignore[no-untyped-def]
    return record(spec(*overrides), Rise(10), {"test_inferred_ood": Rise(at)})


def test_a_run_that_was_trained_is_read_whole(smoke_run: Path) -> None:
    (read,) = read_records([smoke_run])
    assert read.uri == str(smoke_run)
    assert read.spec.run_id == read.manifest.run_id == read.evaluation.run_id
    assert read.journal[-1]["step"] == read.evaluation.step


def test_runs_are_found_at_any_depth_once_each_and_not_in_their_checkpoints(tmp_path: Path) -> None:
    for seed in range(3):
        write(made(f"seed={seed}"), tmp_path / "store" / "runs" / str(seed) / "local")
    checkpoint = tmp_path / "store" / "runs" / "0" / "local" / "checkpoints" / "1"
    checkpoint.mkdir(parents=True)
    (checkpoint / "manifest.json").write_text("{}")
    records = read_records([tmp_path / "store", tmp_path / "store" / "runs" / "1" / "local"])
    assert [one.spec.seed for one in records] == [0, 1, 2]


def test_places_may_be_on_any_store(store_uri: str, tmp_path: Path) -> None:
    run = made()
    open_store(f"{store_uri}/runs").upload_directory(write(run, tmp_path / "run"), "a/local")
    (read,) = read_records([store_uri])
    assert read == type(run)(f"{store_uri}/runs/a/local".removeprefix("file://"), *list(vars(run).values())[1:])


def test_the_same_run_counts_once_and_the_longer_copy_is_kept(tmp_path: Path) -> None:
    write(made("training.max_steps=30"), tmp_path / "first")
    write(made("training.max_steps=60"), tmp_path / "second")
    told: list[str] = []
    (kept,) = read_records([tmp_path / "first", tmp_path / "second"], notify=told.append)
    assert kept.uri == str(tmp_path / "second")
    assert told == [f"left out: {tmp_path / 'first'} is the same run as {tmp_path / 'second'}, seed included"]


def test_many_copies_are_told_in_one_line(tmp_path: Path) -> None:
    for seed in range(3):
        write(made(f"seed={seed}"), tmp_path / "here" / str(seed))
        write(made(f"seed={seed}"), tmp_path / "there" / str(seed))
    told: list[str] = []
    assert len(read_records([tmp_path], notify=told.append)) == 3
    assert len(told) == 1
    assert told[0].endswith("seed included, and so are 2 more the same as others")


def damage_spec(run: Path) -> None:
    text = (run / "spec.yaml").read_text()
    (run / "spec.yaml").write_text(text.replace("seed: 0", "seed: 5", 1))


def swap_evaluation(run: Path) -> None:
    changed = json.loads((run / "evaluation.json").read_text()) | {"run_id": "0" * 16}
    (run / "evaluation.json").write_text(json.dumps(changed))


def change_rules(run: Path) -> None:
    changed = json.loads((run / "evaluation.json").read_text()) | {"evaluation_id": "0" * 16}
    (run / "evaluation.json").write_text(json.dumps(changed))


def train_on(run: Path) -> None:
    last = json.loads((run / "metrics.jsonl").read_text().splitlines()[-1])
    with (run / "metrics.jsonl").open("a") as file:
        file.write(json.dumps(last | {"step": last["step"] + 1}) + "\n")


@pytest.mark.parametrize(
    ("harm", "said"),
    [
        (lambda run: (run / "evaluation.json").unlink(), "grokcore evaluate {run}"),
        (train_on, "evaluated at step 60, but its journal ends at 61; bring it up to date with: grokcore evaluate"),
        (change_rules, "evaluated by other rules"),
        (lambda run: (run / "evaluation.json").write_text('{"format": 1}'), "is damaged or of another version: run_id"),
        (lambda run: (run / "metrics.jsonl").write_text('{"step": 1}\n'), "is not an evaluation"),
        (damage_spec, "which its spec.yaml does not make"),
        (swap_evaluation, "holds the evaluation of run 0000000000000000"),
    ],
)
def test_what_is_missing_or_does_not_belong_together_is_said_in_one_line(
    harm: Callable[[Path], None], said: str, tmp_path: Path
) -> None:
    run = write(made(), tmp_path / "run")
    harm(run)
    with pytest.raises(InputError) as caught:
        read_records([tmp_path])
    assert said.format(run=run) in str(caught.value)
    assert "\n" not in str(caught.value)


def test_unfinished_runs_can_be_left_out_and_are_named(tmp_path: Path) -> None:
    write(made(), tmp_path / "whole")
    (write(made("seed=1"), tmp_path / "unfinished") / "evaluation.json").unlink()
    told: list[str] = []
    assert [one.spec.seed for one in read_records([tmp_path], unfinished="skip", notify=told.append)] == [0]
    assert len(told) == 1
    assert "unfinished has no evaluation yet" in told[0]


@pytest.mark.parametrize(
    ("places", "said"),
    [
        ([], "name at least one run"),
        ("runs", "not a single one"),
        (["empty"], "is not a run: it has no manifest.json, and there is no run below it"),
    ],
)
def test_nothing_to_read_is_an_error(
    places: list[str], said: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=said):
        read_records(places)


def test_none_of_the_runs_evaluated_is_an_error_even_where_they_may_be_left_out(tmp_path: Path) -> None:
    (write(made(), tmp_path / "run") / "evaluation.json").unlink()
    with pytest.raises(InputError, match="grokcore evaluate RUN"):
        read_records([tmp_path], unfinished="skip")


def test_groups_differ_in_more_than_seeds_and_their_runs_in_seeds_alone() -> None:
    records = [made(f"seed={seed}", f"model.layers={layers}") for layers in (2, 1) for seed in (2, 0, 1)]
    one, two = groups_of(records)
    assert (one.label, two.label) == ("model.layers 1", "model.layers 2")
    assert (one.settings, two.settings) == ({"model.layers": 1}, {"model.layers": 2})
    assert [run.spec.seed for run in one.runs] == [0, 1, 2]


def test_draws_of_the_data_are_repetitions_of_one_group_and_can_be_told_apart() -> None:
    records = [
        made(f"task.seed={draw}", f"seed={seed}", f"model.layers={layers}")
        for draw in (3, 1)
        for seed in (1, 0)
        for layers in (2, 1)
    ]
    one, two = groups_of(records)
    assert (one.label, two.label) == ("model.layers 1", "model.layers 2")
    assert one.draws == two.draws == (1, 3)
    assert [(run.spec.task.seed, run.spec.seed) for run in one.runs] == [(1, 0), (1, 1), (3, 0), (3, 1)]
    assert {draw: len(runs) for draw, runs in by_draw(one.runs).items()} == {1: 2, 3: 2}


def test_a_single_group_goes_by_its_name() -> None:
    (group,) = groups_of([made("seed=0"), made("seed=1", "training.max_steps=90", "name=other")])
    assert (group.label, group.settings, len(group.runs)) == ("smoke", {}, 2)


@pytest.mark.parametrize(
    ("changes", "labels"),
    [
        (
            ["model.architecture=llama", "model.architecture=mamba"],
            ["model.architecture llama", "model.architecture mamba"],
        ),
        (
            ["model.architecture=llama", "model.architecture=gpt2 training.learning_rate=.1"],
            ["model.architecture gpt2", "model.architecture llama"],
        ),
        (
            [f"task.values={values} training.weight_decay={decay}" for values in (4, 5) for decay in (0, 0.1)],
            [f"task.values {values}, training.weight_decay {decay}" for values in (4, 5) for decay in (0, 0.1)],
        ),
        # What was tuned differs less often than what is compared, though it comes first in a spec.
        (
            [
                f"training.weight_decay={decay} training.learning_rate={rate}"
                for decay, rate in ((0, 0.1), (0.1, 0.1), (1, 0.2))
            ],
            ["training.weight_decay 0", "training.weight_decay 0.1", "training.weight_decay 1"],
        ),
        (
            ["evaluation.threshold=.9", "evaluation.threshold=.99"],
            ["evaluation.threshold 0.9", "evaluation.threshold 0.99"],
        ),
    ],
)
def test_labels_say_no_more_than_tells_groups_apart(changes: list[str], labels: list[str]) -> None:
    assert [group.label for group in groups_of([made(*change.split()) for change in changes])] == labels


def test_what_an_architecture_brings_with_it_differs_but_tells_nothing_more() -> None:
    fields = [fields_of(spec(f"model.architecture={name}")) for name in ("gpt2", "mamba")]
    assert differing_fields(fields)[0] == "model.architecture"
    assert {"model.heads", "model.state_size"} <= set(differing_fields(fields))
    assert distinguishing_fields(fields) == ["model.architecture"]
    assert not {"seed", "model.seed", "training.seed", "training.max_steps"} & fields[0].keys()
