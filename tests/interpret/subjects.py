"""Models before their training, with the questions of their data."""

from __future__ import annotations

from grokcore.data import open_dataset
from grokcore.data.supervision import longest_row
from grokcore.interpret import AnalysisSpec
from grokcore.interpret.cases import cases_of
from grokcore.interpret.subject import Subject
from grokcore.models import build_model


def subject_of(spec, data, examples=30, kind=Subject):
    """A model before its training, and the cases of its data."""
    dataset = open_dataset(data)
    analysis = AnalysisSpec(examples=examples, draws=100)
    model = build_model(
        spec.model,
        vocabulary_size=len(dataset.vocabulary),
        sequence_length=longest_row(dataset.info.sequence_length),
        seed=0,
    ).eval()
    cases = cases_of(spec, dataset, examples=examples, seed=0)
    return kind(spec, dataset, analysis, cases, model, 0, lambda: model)
