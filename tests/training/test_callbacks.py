"""Callbacks see a run and may end it, and change nothing else in it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch

import grokcore
from grokcore import TrainingContext
from grokcore.errors import InputError
from grokcore.evaluation import Probes
from grokcore.runs import JOURNAL, read_journal, read_manifest
from grokcore.spec import ExperimentSpec
from tests.models.variants import VARIANTS, every_variant

BRIEF = [
    "task.modulus=11", "model.width=16", "model.layers=1", "model.heads=2", "model.dropout=0.1",
    "training.max_steps=8", "training.warmup_steps=0", "training.batch_size=32", "evaluation.interval=2",
    "evaluation.growth=1.001", "training.checkpoint_interval=4", "training.stop_on_grok=null",
]  # fmt: skip


@pytest.fixture(scope="module")
def spec() -> ExperimentSpec:
    return grokcore.load_spec("modular", BRIEF)


@pytest.fixture(scope="module")
def data(spec: ExperimentSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("data")
    grokcore.generate_dataset(spec.task, place)
    return place


def numbers(run: Path) -> list[dict[str, object]]:
    return [{name: value for name, value in line.items() if name != "clock"} for line in read_journal(run / JOURNAL)]


def weights(run: Path) -> dict[str, torch.Tensor]:
    return grokcore.load_model(run).state_dict()


def stop_at(step: int) -> Callable[[TrainingContext], None]:
    def callback(context: TrainingContext) -> None:
        if context.step >= step:
            context.stop("seen enough")

    return callback


def test_a_callback_that_breaks_what_it_gets_changes_nothing(spec: ExperimentSpec, data: Path, tmp_path: Path) -> None:
    kept: list[TrainingContext] = []

    def vandal(context: TrainingContext) -> None:
        torch.rand(7)
        torch.manual_seed(0)
        for parameter in context.model.parameters():
            parameter.data.fill_(1.0)
        context.model.train()
        context.line["splits"].clear()
        context.line["phases"].clear()
        kept.append(context)

    grokcore.train_model(spec, data, tmp_path / "plain")
    grokcore.train_model(spec, data, tmp_path / "watched", callbacks=[vandal])
    assert [context.step for context in kept] == list(range(9))
    assert numbers(tmp_path / "watched") == numbers(tmp_path / "plain")
    plain, watched = weights(tmp_path / "plain"), weights(tmp_path / "watched")
    assert all(torch.equal(plain[name], watched[name]) for name in plain)


@every_variant
def test_the_model_is_the_one_of_the_line_in_evaluation_mode(variant: str, tmp_path: Path) -> None:
    spec = grokcore.load_spec("smoke", [*VARIANTS[variant], "training.max_steps=2", "training.warmup_steps=0"])
    grokcore.generate_dataset(spec.task, tmp_path / "data")
    models: list[torch.nn.Module] = []

    def measure(context: TrainingContext) -> None:
        assert not context.model.training
        assert context.model is context.model
        probes = Probes(context.dataset, loss_on=context.spec.training.loss_on, device=torch.device("cpu"))
        _, measured = probes.measure(context.model)
        assert measured == context.line["splits"]
        models.append(context.model)

    grokcore.train_model(spec, tmp_path / "data", tmp_path / "run", callbacks=[measure])
    first, last = models[0].state_dict(), models[-1].state_dict()
    assert any(not torch.equal(first[name], last[name]) for name in first), "a model that is kept keeps its weights"
    final = weights(tmp_path / "run")
    assert all(torch.equal(last[name], final[name]) for name in final)


def test_a_stop_ends_a_run_with_its_model_and_says_why(spec: ExperimentSpec, data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = grokcore.train_model(spec, data, run, callbacks=[stop_at(4)])
    assert (result.exit_reason, result.step) == ("callback", 4)
    manifest = read_manifest(run)
    assert (manifest.exit_reason, manifest.callback) == ("callback", "seen enough")
    assert manifest.uses_held_out is False
    assert grokcore.load_model(run) is not None
    evaluation = grokcore.evaluate_model(run)
    assert evaluation.step == 4
    (remark,) = [remark for remark in evaluation.remarks if "a callback ended training" in remark]
    assert "at step 4 of max_steps=8, before test was sustained" in remark


def test_the_same_call_stops_again_and_without_callbacks_goes_on_to_the_same_end(
    spec: ExperimentSpec, data: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    for _ in range(2):
        result = grokcore.train_model(spec, data, run, callbacks=[stop_at(4)])
        assert (result.exit_reason, result.step) == ("callback", 4)
        assert len(read_journal(run / JOURNAL)) == 5
    result = grokcore.train_model(spec, data, run)
    assert (result.exit_reason, result.step) == ("budget_steps", 8)
    assert read_manifest(run).callback is None
    grokcore.train_model(spec, data, tmp_path / "plain")
    assert numbers(run) == numbers(tmp_path / "plain")
    assert all(
        torch.equal(one, other)
        for one, other in zip(weights(run).values(), weights(tmp_path / "plain").values(), strict=True)
    )


def test_weights_of_a_run_that_a_callback_ended_count_as_chosen_by_held_out_data(
    spec: ExperimentSpec, data: Path, tmp_path: Path
) -> None:
    grokcore.train_model(spec, data, tmp_path / "source", callbacks=[stop_at(4)])
    further = grokcore.load_spec(
        "modular", [*BRIEF, f"model.start_from.model={tmp_path / 'source'}", "model.start_from.parts=all", "seed=1"]
    )
    grokcore.train_model(further, data, tmp_path / "further")
    assert read_manifest(tmp_path / "further").uses_held_out is True


def test_a_mistake_in_a_callback_costs_no_step(spec: ExperimentSpec, data: Path, tmp_path: Path) -> None:
    run = tmp_path / "run"

    def mistaken(context: TrainingContext) -> None:
        if context.step == 6:
            raise KeyError("no such split")

    with pytest.raises(KeyError, match="no such split"):
        grokcore.train_model(spec, data, run, callbacks=[mistaken])
    told: list[str] = []
    result = grokcore.train_model(spec, data, run, notify=told.append)
    assert "resuming at step 6" in told
    assert (result.exit_reason, result.step) == ("budget_steps", 8)
    grokcore.train_model(spec, data, tmp_path / "plain")
    assert numbers(run) == numbers(tmp_path / "plain")


def test_a_stop_without_a_reason_is_refused(spec: ExperimentSpec, data: Path, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="needs a reason in words"):
        grokcore.train_model(spec, data, tmp_path / "run", callbacks=[lambda context: context.stop(" ")])


def test_a_listener_that_returns_something_ends_nothing(spec: ExperimentSpec, data: Path, tmp_path: Path) -> None:
    result = grokcore.train_model(spec, data, tmp_path / "run", on_evaluation=lambda line: "callback")
    assert result.exit_reason == "budget_steps"
