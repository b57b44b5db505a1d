"""Every analysis of every variant of a model: what holds for all of them, and which is not defined for which."""

from __future__ import annotations

import math
from pathlib import Path

import pytest

import grokcore
from grokcore.interpret.number import Number
from grokcore.interpret.progress import learning_coefficient
from grokcore.interpret.progress.learning_coefficient import SGLD
from grokcore.interpret.registry import ANALYSES
from grokcore.spec import load_spec
from tests.interpret.subjects import subject_of
from tests.models.variants import VARIANTS, every_variant

SILENT = {"local_complexity": {"mamba", "mamba2"}}
"""Analyses that are not defined for some architectures, which have no MLPs."""
MODULAR = "task={kind: modular, modulus: 7, probe_size: 20}"

every_analysis = pytest.mark.parametrize("analysis", ANALYSES)


@pytest.fixture(autouse=True)
def short_chains(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(learning_coefficient, "SETTINGS", SGLD(chains=2, burn_in=2, draws=4))


@pytest.fixture(scope="module")
def modular_data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("modular") / "data"
    grokcore.generate_dataset(load_spec("smoke", [MODULAR]).task, place)
    return place


@every_analysis
@every_variant
def test_it_yields_numbers_with_a_place_of_their_own(
    variant: str, analysis: str, smoke_data: Path, modular_data: Path
) -> None:
    entry = ANALYSES[analysis]
    task, data = ([MODULAR], modular_data) if entry.tasks else ([], smoke_data)
    subject = subject_of(load_spec("smoke", [*task, *VARIANTS[variant]]), data, examples=12)
    before = [parameter.clone() for parameter in subject.model.parameters()]

    numbers: list[Number] = list(entry.measure(subject))

    if subject.spec.model.architecture in SILENT.get(analysis, ()):
        assert numbers == []
        return
    assert numbers
    places = [(one.metric, one.split, one.case, one.layer, one.position, one.target) for one in numbers]
    assert len({*places}) == len(places)
    assert all(one.layer is None or 0 <= one.layer <= subject.model.layers for one in numbers)
    assert all(one.split in ("", "train", *(case.split for case in subject.cases)) for one in numbers)
    for one in numbers:
        if one.lower is not None and math.isfinite(one.value):
            assert one.upper is not None
            assert one.lower - 1e-6 <= one.value <= one.upper + 1e-6, one
    assert all(old.equal(new) for old, new in zip(before, subject.model.parameters(), strict=True))
