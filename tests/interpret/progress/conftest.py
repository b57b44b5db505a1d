"""Subjects with untrained weights: every variant on the data of `smoke`, or of another task by overrides."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import grokcore
from grokcore.data import Dataset, open_dataset
from grokcore.data.supervision import longest_row
from grokcore.interpret.spec import AnalysisSpec
from grokcore.interpret.subject import Subject
from grokcore.models import SequenceModel, build_model
from grokcore.spec import load_spec
from tests.models.variants import VARIANTS

SubjectOf = Callable[..., Subject]
"""(variant = "gpt2", *overrides of `smoke`, model = a model with new weights) -> a subject, which is its own last."""


@pytest.fixture(scope="session")
def subject_of(tmp_path_factory: pytest.TempPathFactory) -> SubjectOf:
    datasets: dict[str, Dataset] = {}

    def subject(variant: str = "gpt2", *overrides: str, model: SequenceModel | None = None) -> Subject:
        spec = load_spec("smoke", [*VARIANTS[variant], *overrides])
        if spec.dataset_id not in datasets:
            path = tmp_path_factory.mktemp("data") / "dataset"
            grokcore.generate_dataset(spec.task, path)
            datasets[spec.dataset_id] = open_dataset(path)
        dataset = datasets[spec.dataset_id]
        if model is None:
            length = longest_row(dataset.info.sequence_length)
            model = build_model(
                spec.model, vocabulary_size=len(dataset.vocabulary), sequence_length=length, seed=0
            ).eval()
        return Subject(spec, dataset, AnalysisSpec(examples=100), (), model, 0, lambda: model)

    return subject
