"""Few-shot curves of models whose answers are known: one that solves for the function, one that ignores the prompt."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import grokcore
from grokcore.data import Dataset, open_dataset
from grokcore.data.supervision import longest_row
from grokcore.interpret.cases import cases_of
from grokcore.interpret.number import Number
from grokcore.interpret.shots import measure, right, with_shuffled_results
from grokcore.interpret.spec import AnalysisSpec
from grokcore.interpret.subject import Subject
from grokcore.models import build_model
from grokcore.runs import read_journal
from grokcore.spec import ExperimentSpec, load_spec
from tests.models.variants import VARIANTS, every_variant

P, K = 7, 6
TASK = (
    *(f"task.kind=in_context_modular task.modulus={P} task.context={K} task.functions=30 task.input_ratio=.6".split()),
    *("task.train_size=400", "task.probe_size=300", "training.max_steps=3", "training.batch_size=64"),
)
LAST = f"y{K}"


class Solver(nn.Module):
    """Answers by the first function that fits the examples, or without looking at them by a fixed one."""

    def __init__(self, *, from_prompt: bool) -> None:
        super().__init__()
        self.device = nn.Parameter(torch.zeros(1))
        self.from_prompt = from_prompt

    def forward(self, tokens: Tensor, positions: Tensor) -> Tensor:
        logits = torch.zeros(*positions.shape, P + 1)
        for row, places in enumerate(positions.tolist()):
            for number, place in enumerate(places):
                logits[row, number, self._answer(tokens[row, : place + 1].tolist())] = 1
        return logits

    def _answer(self, prompt: list[int]) -> int:
        x, y = prompt[-2:]
        examples = [*zip(prompt[0:-2:3], prompt[1:-2:3], prompt[2:-2:3], strict=True)] if self.from_prompt else []
        fitting = (
            (a, b) for a in range(P) for b in range(P) if all((a * u + b * v - w) % P == 0 for u, v, w in examples)
        )
        a, b = next(fitting, (1, 2))
        return (a * x + b * y) % P


@pytest.fixture(scope="module")
def spec() -> ExperimentSpec:
    return load_spec("smoke", TASK)


@pytest.fixture(scope="module")
def data(spec: ExperimentSpec, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "dataset"
    grokcore.generate_dataset(spec.task, path)
    return path


@pytest.fixture(scope="module")
def dataset(data: Path) -> Dataset:
    return open_dataset(data)


def subject_of(spec: ExperimentSpec, dataset: Dataset, model: nn.Module, examples: int = 100) -> Subject:
    cases = cases_of(spec, dataset, examples=examples, seed=0)
    return Subject(spec, dataset, AnalysisSpec(examples=examples), cases, model, 0, lambda: model)  # type: ignore[arg-type, return-value]


def at(numbers: list[Number], metric: str, split: str, position: str) -> Number:
    (found,) = (one for one in numbers if (one.metric, one.split, one.position) == (metric, split, position))
    return found


def splits(numbers: list[Number]) -> Iterator[str]:
    yield from dict.fromkeys(one.split for one in numbers)


def test_a_model_that_learns_from_its_prompt_is_right_from_where_examples_determine_the_answer(
    spec: ExperimentSpec, dataset: Dataset
) -> None:
    numbers = [*measure(subject_of(spec, dataset, Solver(from_prompt=True)))]
    assert [*splits(numbers)] == ["train", "test_iid", "test_inputs", "test_functions", "test_ood"]
    for split in splits(numbers):
        known = [at(numbers, "determined", split, f"y{shot}").value for shot in range(1, K + 1)]
        found = [at(numbers, "accuracy", split, f"y{shot}") for shot in range(1, K + 1)]
        assert known[0] < 0.1
        assert known[1] < 0.3
        assert known[2] > 0.7
        assert known[3] > 0.9
        assert known[-1] == 1
        assert all(one.value >= share for one, share in zip(found, known, strict=True))
        assert found[-1].value == found[-1].lower == 1
        assert [one.target for one in found] == [*(f"z{shot}" for shot in range(1, K)), "answer"]
        assert at(numbers, "accuracy_other_function", split, LAST).value == 0
        shuffled, gain = (
            at(numbers, metric, split, place) for metric, place in (("accuracy_shuffled", LAST), ("shots_gain", ""))
        )
        assert shuffled.value < 0.5
        assert gain.value == pytest.approx(1 - shuffled.value)
        assert gain.lower is not None
        assert gain.lower > 0.4


def test_a_model_that_ignores_its_prompt_is_the_same_under_all_controls(spec: ExperimentSpec, dataset: Dataset) -> None:
    subject = subject_of(spec, dataset, Solver(from_prompt=False))
    numbers = [*measure(subject)]
    for case in subject.cases:
        for shot in range(1, K + 1):
            own, shuffled = (
                at(numbers, metric, case.split, f"y{shot}") for metric in ("accuracy", "accuracy_shuffled")
            )
            assert own.value == shuffled.value < 0.3
        other = case.counterfactuals["function"]
        still = right(subject, case, other.tokens, other.rows)
        assert (still == right(subject, case, case.tokens)[:, other.rows]).all()
        assert at(numbers, "shots_gain", case.split, "").value == 0


def test_shuffling_moves_results_alone(spec: ExperimentSpec, dataset: Dataset) -> None:
    case = cases_of(spec, dataset, examples=50, seed=0)[1]
    tokens = with_shuffled_results(case, 0)
    results = [place for place, role in enumerate(case.roles) if role.startswith("z")]
    inputs = [place for place, role in enumerate(case.roles) if not role.startswith("z")]
    assert (tokens[:, inputs] == case.tokens[:, inputs]).all()
    assert (np.sort(tokens[:, results]) == np.sort(case.tokens[:, results])).all()
    assert (tokens[:, results] != case.tokens[:, results]).any(axis=1).mean() > 0.9


@every_variant
def test_every_model_is_read_at_all_positions_as_if_each_row_ended_there(
    variant: str, spec: ExperimentSpec, dataset: Dataset
) -> None:
    sizes = {"vocabulary_size": len(dataset.vocabulary), "sequence_length": longest_row(dataset.info.sequence_length)}
    model = build_model(load_spec("smoke", [*TASK, *VARIANTS[variant]]).model, seed=0, **sizes).eval()
    subject = subject_of(spec, dataset, model, examples=20)
    case = subject.cases[-1]
    found = right(subject, case, case.tokens)
    wanted = np.column_stack([case.tokens[:, 2::3], case.answers])
    for shot in range(K):
        prompt = torch.from_numpy(case.tokens[:, : 3 * shot + 2])
        assert (subject.logits(prompt).argmax(-1).numpy() == wanted[:, shot]).tolist() == found[shot].tolist()


def test_a_run_has_its_curve_and_the_last_answer_is_the_accuracy_of_its_journal(
    spec: ExperimentSpec, data: Path, tmp_path: Path
) -> None:
    grokcore.train_model(spec, data, tmp_path / "run")
    for place in ("one", "two"):
        analysis = grokcore.analyze_model(tmp_path / "run", analyses=["shots"], examples=300, out=tmp_path / place)
    assert (tmp_path / "one/analysis.parquet").read_bytes() == (tmp_path / "two/analysis.parquet").read_bytes()
    last = read_journal(tmp_path / "run" / "metrics.jsonl")[-1]
    for split, values in last["splits"].items():
        (row,) = analysis.numbers(step=3, split=split, metric="accuracy", position=LAST)
        assert row["value"] == pytest.approx(values["accuracy"])
        assert row["n"] == 300
    assert [one.split for one in analysis.document.headlines] == list(last["splits"])
    assert {one.metric for one in analysis.document.headlines} == {"shots_gain"}
