"""Norms, ranks, probes and cosines of every architecture, and of planted streams."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

import grokcore
from grokcore.interpret import activations, read_analysis
from grokcore.interpret.activations import effective_ranks
from grokcore.interpret.cases import Case, Target
from grokcore.interpret.intervals import Bootstrap
from grokcore.interpret.subject import Subject
from grokcore.spec import load_spec
from tests.interpret.subjects import subject_of
from tests.models.variants import VARIANTS, every_variant

FACTS = "task={kind: comparison, entities: 120, attributes: 2, values: 3, phi: 5, id_ratio: 0.8, probe_size: 300}"


@pytest.fixture(scope="module")
def facts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Comparisons of more entities than `smoke` has."""
    place = tmp_path_factory.mktemp("facts") / "data"
    grokcore.generate_dataset(load_spec("smoke", [FACTS]).task, place)
    return place


@every_variant
def test_every_cell_has_its_numbers_and_probes_of_an_untrained_model_are_at_chance(variant: str, facts: Path) -> None:
    subject = subject_of(load_spec("smoke", [FACTS, *VARIANTS[variant]]), facts, examples=300)

    numbers = list(activations.measure(subject))

    cells = [(one.split, one.target, one.metric, one.layer, one.position) for one in numbers]
    assert len({*cells}) == len(cells)
    assert all(one.lower - 1e-9 <= one.value <= one.upper + 1e-9 for one in numbers if one.lower is not None)
    layers = subject.model.layers + 1
    for case in subject.cases:
        of_split = [one for one in numbers if one.split == case.split]
        assert sum(one.metric == "norm" for one in of_split) == layers * len(case.roles)
        for target in case.targets:
            sites = layers * (len(case.roles) - case.position(target.position))
            found = [one for one in of_split if (one.metric, one.target) == ("probe_gain", target.name)]
            assert len(found) == sites + 1
    gains = [one for one in numbers if one.metric == "probe_gain" and one.layer is not None]
    assert np.mean([one.lower <= 0 <= one.upper for one in gains]) > 0.8
    assert abs(np.mean([one.value for one in gains])) < 0.05
    at_first = [one for one in numbers if (one.metric, one.position) == ("effective_rank", "attr")]
    ranks = [one.value for one in at_first if "inferred" in one.split]
    assert max(ranks) < 1.001  # two attributes: one direction


class Planted(Subject):
    """Streams of noise, into which the value of e1 is written in directions of its own from layer 1 and mask on, and
    that of e2, at e2, as a product of two signs."""

    def streams(self, tokens: torch.Tensor) -> torch.Tensor:
        width, layers = 32, self.model.layers + 1
        generator = torch.Generator().manual_seed(0)
        directions = torch.randn(self.model.vocabulary_size, width, generator=generator)
        case = next(one for one in self.cases if torch.equal(self.tokens(one), tokens))
        noise = torch.randn(layers, *tokens.shape, width, generator=generator)
        if "e1" in case.roles:
            first, second = (torch.from_numpy(target.ids) for target in case.targets[1:])
            noise[1:, :, case.position("mask") :] += 3 * directions[first][:, None]
            sign = 2.0 * (torch.rand(len(tokens), generator=generator) < 0.5) - 1
            noise[..., -1, 0] = 4 * sign
            noise[..., -1, 1] = 4 * sign * (second - int(np.median(case.targets[2].candidates)))
        return noise


def test_what_is_written_in_directions_is_read_and_a_product_is_not(facts: Path) -> None:
    subject = subject_of(load_spec("smoke", [FACTS]), facts, examples=300, kind=Planted)
    numbers = [one for one in activations.measure(subject) if one.split == "train_inferred"]

    def of(metric: str, target: str) -> dict[tuple[int | None, str], float]:
        return {(one.layer, one.position): one.value for one in numbers if (one.metric, one.target) == (metric, target)}

    read = of("probe_gain", "value of e1")
    for (layer, position), value in read.items():
        planted = layer is not None and layer > 0 and position in {"mask", "e2"}
        assert (value > 0.5) if planted else (abs(value) < 0.15), (layer, position)
    assert of("probe", "value of e1")[1, "mask"] > 0.95
    assert of("probe_shuffled", "value of e1")[1, "mask"] < 0.5
    assert all(abs(value) < 0.15 for value in of("probe_gain", "value of e2").values())
    assert of("cohesion", "value of e1")[1, "mask"] > 0.85
    assert of("cohesion_other", "value of e1")[1, "mask"] < 0.3
    assert abs(of("cohesion_gain", "value of e1")[0, "mask"]) < 0.1


def test_a_probe_cannot_remember_entities(facts: Path) -> None:
    """Streams that tell the entity alone, of which all rows are read rightly if they are not split by it."""
    generator = np.random.default_rng(0)
    entity = np.repeat(np.arange(12), 40)
    value = generator.integers(0, 3, 12)[entity]
    streams = torch.from_numpy(generator.normal(size=(1, 12, 30))[:, entity])
    control = generator.permutation(value)

    def accuracy(groups: np.ndarray) -> float:
        labeled = activations.Labeled(streams, np.stack([value, control]), groups[:, None], groups[:, None])
        right, rows = activations.probed(labeled, labeled, 0)
        assert len(rows) > 300
        return float(right[0].mean())

    assert accuracy(np.arange(len(entity))) == 1
    assert accuracy(entity) < 0.7


@pytest.mark.parametrize("entities", [24, 200])
def test_intervals_cover_0_where_rows_of_an_entity_are_alike(entities: int) -> None:
    bootstrap, generator = Bootstrap(300, 200, 0), np.random.default_rng(0)
    covered = []
    for _ in range(300):
        clusters = generator.integers(0, entities, 150)
        alike, control = generator.normal(size=entities)[clusters], generator.normal(size=150)
        found = activations.differences(np.stack([alike, control]), clusters, 300, bootstrap)
        assert found.value == pytest.approx([alike.mean(), control.mean(), (alike - control).mean()])
        covered.append(found.lower[2] <= 0 <= found.upper[2])
    assert 0.88 < np.mean(covered) < 0.98


def test_the_effective_rank_of_a_matrix_of_k_equal_singular_values_is_k() -> None:
    generator = torch.Generator().manual_seed(0)
    for k in (1, 3, 20):
        left = torch.randn(50, k, generator=generator, dtype=torch.float64)
        left = torch.linalg.qr(left - left.mean(0)).Q
        right = torch.linalg.qr(torch.randn(24, k, generator=generator, dtype=torch.float64)).Q
        both = torch.stack([5 + left @ right.T, (left @ right.T).repeat(1, 3)[:, :24]])
        assert effective_ranks(both)[0].item() == pytest.approx(k, abs=1e-3)
        wide = torch.nn.functional.pad(left @ right.T, (0, 200))[None]
        assert effective_ranks(wide).item() == pytest.approx(k, abs=1e-3)
    assert effective_ranks(torch.full((1, 9, 4), 0.1, dtype=torch.float64)).isnan().all()


def test_the_control_of_a_rank_has_as_many_different_rows_as_there_are_questions() -> None:
    tokens = np.array([[0, 5, 1], [0, 6, 2], [1, 5, 3], [1, 5, 3]])
    answer = Target("answer", "c", np.zeros(4, np.int64), np.arange(1))
    drawn = activations._random(Case("test", ("a", "b", "c"), tokens, tokens[:, 0], (answer,)), 7, 0)
    assert drawn.shape == (3, 4, 7)
    assert [len(one.unique(dim=0)) for one in drawn] == [2, 3, 3]


def test_a_run_has_the_same_bytes_twice_and_headlines_of_every_target(smoke_run: Path, tmp_path: Path) -> None:
    for place in ("out", "again"):
        grokcore.analyze_model(smoke_run, analyses=["activations"], examples=100, out=tmp_path / place)
    assert (tmp_path / "out/analysis.parquet").read_bytes() == (tmp_path / "again/analysis.parquet").read_bytes()
    headlines = read_analysis(str(tmp_path / "out")).document.headlines
    of_split = {(one.metric, one.target) for one in headlines if one.split == "train_inferred"}
    for target in ("answer", "value of e1", "value of e2"):
        assert {(metric, target) for metric in ("probe", "probe_shuffled", "probe_gain", "cohesion_gain")} <= of_split
    assert {("effective_rank", "answer"), ("effective_rank_random", "answer")} <= of_split
    assert any(one.metric == "alignment_gain" for one in headlines if one.split == "test_inferred_ood")
