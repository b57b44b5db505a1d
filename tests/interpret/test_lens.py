from __future__ import annotations

import numpy as np
import pytest
import torch

import grokcore
from grokcore.interpret import lens
from grokcore.interpret.cases import Case, Target
from grokcore.interpret.subject import Subject
from grokcore.spec import load_spec
from tests.interpret.subjects import subject_of
from tests.models.variants import VARIANTS, every_variant


def naive(logits, token, candidates):
    """Reciprocal mid-rank and probability of a token, of one vector of logits."""
    better = sum(1 for other in candidates if logits[other] > logits[token])
    equal = sum(1 for other in candidates if logits[other] == logits[token])
    probability = np.exp(logits[token]) / sum(np.exp(logits[other]) for other in candidates)
    return 1 / (1 + better + (equal - 1) / 2), probability


def test_ranks_and_probabilities_agree_with_counting_one_by_one():
    generator = torch.Generator().manual_seed(0)
    logits = torch.randint(0, 6, (7, 3, 20), generator=generator).double()  # many are equal
    ids, candidates = torch.tensor([2, 5, 5, 11, 19, 2, 11]), torch.tensor([2, 5, 11, 19])

    sets = [(range(20), lens.read(logits, ids[None])), (candidates.tolist(), lens.read(logits, ids[None], candidates))]

    for among, found in sets:
        assert found.shape == (1, 2, 3, 7)
        for row in range(7):
            for position in range(3):
                expected = naive(logits[row, position].numpy(), int(ids[row]), among)
                assert found[0, :, position, row].tolist() == pytest.approx(expected, abs=1e-12)


def test_equal_logits_are_at_chance():
    logits, ids = torch.zeros(4, 2, 9), torch.tensor([[0, 3, 3, 8]])

    assert lens.read(logits, ids).unique().tolist() == pytest.approx([1 / 9, 1 / 5])
    assert lens.read(logits, ids, torch.tensor([0, 3, 8])).unique().tolist() == pytest.approx([1 / 3, 1 / 2])


def case_of(ids, strata=None):
    ids = np.array(ids)
    strata = None if strata is None else np.array(strata)
    target = Target("answer", "a", ids, np.unique(ids), strata)
    return Case("test", ("q", "a"), np.zeros((len(ids), 2), np.int64), ids, (target,)), target


def test_controls_are_targets_of_other_rows_of_the_same_stratum():
    strata = np.repeat([3, 1, 2], [10, 6, 4])
    case, target = case_of(np.arange(20), strata)

    control = lens.shuffled(case, target, seed=0)

    assert sorted(control) == list(range(20))
    assert (control != np.arange(20)).all()
    assert (strata[control] == strata).all()
    assert (control == lens.shuffled(case, target, seed=0)).all()
    assert (control != lens.shuffled(case, target, seed=1)).any()


def test_rows_that_are_alone_in_their_strata_exchange_with_each_other():
    case, target = case_of(np.arange(5), [7, 7, 4, 5, 6])
    control = lens.shuffled(case, target, seed=0)

    assert {*control[:2]} == {0, 1}
    assert (control != np.arange(5)).all()


@every_variant
def test_the_last_layer_is_the_output_and_every_cell_has_its_numbers(variant, smoke_data):
    subject = subject_of(load_spec("smoke", VARIANTS[variant]), smoke_data)
    case = subject.cases[-1]
    answer = case.targets[0]
    controls = [lens.shuffled(case, target, 0) for target in case.targets]

    readings = lens.lens(subject, case, controls)

    layers = subject.model.layers
    assert readings.shape == (len(case.targets), 2, 2, 2, layers + 1, len(case.roles), len(case))
    output = subject.logits(subject.tokens(case))[:, None]
    ids = torch.from_numpy(np.stack([answer.ids, controls[0]]))
    for number, among in enumerate((None, torch.from_numpy(answer.candidates))):
        expected = lens.read(output, ids, among)[:, :, 0].numpy()
        assert readings[0, :, number, :, -1, -1] == pytest.approx(expected, abs=1e-6)
    numbers = list(lens.measure(subject))
    cells = [(one.split, one.target, one.metric, one.layer, one.position) for one in numbers]
    assert len({*cells}) == len(cells)
    assert len(cells) == sum(len(case.targets) * (10 * (layers + 1) * len(case.roles) + 6) for case in subject.cases)
    assert all(one.lower - 1e-9 <= one.value <= one.upper + 1e-9 for one in numbers)
    assert numbers == list(lens.measure(subject))


def test_questions_are_read_alike_in_chunks(smoke_data, monkeypatch):
    subject = subject_of(load_spec("smoke"), smoke_data)
    case = subject.cases[-1]
    controls = [target.ids for target in case.targets]
    whole = lens.lens(subject, case, controls)
    monkeypatch.setattr(lens, "_LOGITS", 7 * len(case.roles) * subject.model.vocabulary_size)

    assert lens.lens(subject, case, controls) == pytest.approx(whole, abs=1e-5)


PLANTED = 1, "r1"
"""Layer and position where the bridge is written."""


class Planted(Subject):
    """A stream of noise, into which the direction that the head reads the bridge by is written at one place."""

    def streams(self, tokens):
        layers, width = self.model.layers, self.model.embedding.weight.shape[1]
        noise = torch.randn(layers + 1, *tokens.shape, width, generator=torch.Generator().manual_seed(0))
        case = next(case for case in self.cases if case.tokens.shape == tuple(tokens.shape))
        bridges = torch.from_numpy(case.targets[1].ids)
        layer, role = PLANTED
        noise[layer, :, case.position(role)] += 100 * self.model.embedding.weight[bridges]
        return noise


@pytest.fixture(scope="module")
def composition(tmp_path_factory):
    spec = load_spec("composition-small", ["model.layers=3", "model.width=64"])
    place = tmp_path_factory.mktemp("composition") / "data"
    grokcore.generate_dataset(spec.task, place)
    return spec, place


def test_a_planted_bridge_is_found_at_its_layer_and_position_alone(composition):
    subject = subject_of(*composition, examples=200, kind=Planted)
    subject.cases = [case for case in subject.cases if case.split == "train_inferred"]

    numbers = [one for one in lens.measure(subject) if one.metric == "lens_gain"]

    for one in numbers:
        if one.target == "bridge" and one.layer is None:
            assert one.lower > 0.75  # shuffled targets are right by chance in some rows
        elif one.target == "bridge" and (one.layer, one.position) == PLANTED:
            assert one.value > 0.8
        else:
            assert abs(one.value) < 0.1, one


def test_a_planted_bridge_has_a_control_at_chance(composition):
    subject = subject_of(*composition, examples=200, kind=Planted)
    subject.cases = [case for case in subject.cases if case.split == "train_inferred"]
    candidates = len(subject.cases[0].targets[1].candidates)

    control = {
        one.metric: one.value
        for one in lens.measure(subject)
        if one.target == "bridge" and (one.layer, one.position) == PLANTED
    }

    chance = np.mean(1 / np.arange(1, candidates + 1))
    assert control["mrr_candidates"] > 0.95
    assert control["mrr_candidates_shuffled"] == pytest.approx(chance, abs=0.06)
    assert control["probability_candidates_shuffled"] == pytest.approx(1 / candidates, abs=0.06)


def test_choosing_a_layer_among_many_finds_no_gain_in_noise():
    noise = np.random.default_rng(0).normal(size=(300, 50, 40))  # draws, layers, examples
    half = np.arange(40) % 2 == 0

    headlines = [gain[lens.chosen_layers(gain, half), np.arange(40)].mean() for gain in noise]

    assert abs(np.mean(headlines)) < 0.03
    assert np.mean([gain.mean(axis=1).max() for gain in noise]) > 0.3


def test_the_layer_with_the_largest_gain_is_chosen():
    gain = np.zeros((4, 10))
    gain[2] = 1

    assert lens.chosen_layers(gain, np.arange(10) < 5).tolist() == [2] * 10
    assert lens.chosen_layers(gain[:, :1], np.array([False])).tolist() == [2]
