import itertools
import math
import subprocess
import sys
from collections import Counter

import numpy as np
import pytest

from grokcore.errors import InputError
from grokcore.spec import ComparisonTask
from grokcore.tasks import build_task
from grokcore.tasks.comparison import ROLES
from grokcore.tasks.random import pairs_between, pairs_within

ALL = 10**9
"""A probe size that no split reaches: the probes are then the full splits."""
TASK = ComparisonTask(entities=60, attributes=4, values=6, phi=12.6, probe_size=ALL)
INFERRED = ("train_inferred", "test_inferred_iid", "test_inferred_ood", "test_inferred_mixed")
"""Splits that each pair stands in one of."""
EQUAL = {"test_inferred_iid_equal": "test_inferred_iid", "test_inferred_ood_equal": "test_inferred_ood"}


@pytest.fixture(scope="module")
def data():
    return build_task(TASK)


def texts(data, rows):
    """Every row as its question's tokens and its answer, as text."""
    return [
        ([data.vocabulary[token] for token in tokens[:length]], data.vocabulary[answer])
        for tokens, length, answer in zip(rows.tokens, rows.lengths, rows.answers, strict=True)
    ]


def atomic_facts(data, split):
    """{(attribute, entity): value}, read from the text of the rows."""
    facts = {}
    for (entity, attribute), value in texts(data, data.train[split]):
        assert (attribute, entity) not in facts
        facts[attribute, entity] = int(value.strip("<>"))
    return facts


def inferred_facts(data, split):
    """[(attribute, first, second, label)], read from the text of the rows."""
    rows = data.train[split] if split in data.train else data.probes[split]
    facts = []
    for (attribute, q, first, mask, second), label in texts(data, rows):
        assert (q, mask) == ("<q>", "<mask>")
        facts.append((attribute, first, second, label))
    return facts


def whole_rows(rows):
    return set(map(tuple, np.column_stack([rows.tokens, rows.answers]).tolist()))


def unordered(facts):
    return {(attribute, frozenset((first, second))) for attribute, first, second, _ in facts}


def test_the_atomic_facts_give_every_entity_one_value_per_attribute(data):
    facts = atomic_facts(data, "id_atomic") | atomic_facts(data, "ood_atomic")
    assert set(facts) == {(f"<attr_{a}>", f"<e_{e}>") for a in range(4) for e in range(60)}
    assert set(facts.values()) == set(range(6))


def test_a_tenth_of_the_entities_is_out_of_domain_for_each_attribute_and_not_the_same(data):
    facts = atomic_facts(data, "ood_atomic")
    ood = [{entity for attribute, entity in facts if attribute == f"<attr_{a}>"} for a in range(4)]
    assert [len(entities) for entities in ood] == [6] * 4
    assert len(set(map(frozenset, ood))) > 1


@pytest.mark.parametrize("split", [*INFERRED, *EQUAL, "test_inferred_flipped"])
def test_every_inferred_answer_follows_from_the_atomic_facts(data, split):
    value = atomic_facts(data, "id_atomic") | atomic_facts(data, "ood_atomic")
    for attribute, first, second, label in inferred_facts(data, split):
        difference = value[attribute, first] - value[attribute, second]
        order = 0 if difference < 0 else 1 if difference == 0 else 2
        assert label == f"{attribute[:-1]}_{order}>"


@pytest.mark.parametrize(
    ("split", "ood_entities"),
    [("train_inferred", 0), ("test_inferred_iid", 0), ("test_inferred_mixed", 1), ("test_inferred_ood", 2)],
)
def test_pairs_stand_in_the_split_of_their_domains(data, split, ood_entities):
    ood = atomic_facts(data, "ood_atomic")
    for attribute, first, second, _ in inferred_facts(data, split):
        assert ((attribute, first) in ood) + ((attribute, second) in ood) == ood_entities


def test_no_pair_is_of_an_entity_with_itself_and_no_row_stands_twice(data):
    for split in INFERRED:
        facts = inferred_facts(data, split)
        assert all(first != second for _, first, second, _ in facts)
        assert len(set(facts)) == len(facts)


def test_no_pair_has_orders_in_two_splits(data):
    for one, other in itertools.combinations(INFERRED, 2):
        assert not unordered(inferred_facts(data, one)) & unordered(inferred_facts(data, other))


def test_both_orders_of_a_pair_stay_together_outside_training(data):
    for split in INFERRED[1:]:
        facts = inferred_facts(data, split)
        assert len(facts) == 2 * len(unordered(facts))


@pytest.mark.parametrize("split", EQUAL)
def test_the_equal_pairs_of_a_held_out_split_are_all_of_its_equal_pairs(data, split):
    expected = [fact for fact in inferred_facts(data, EQUAL[split]) if fact[-1].endswith("_1>")]
    assert inferred_facts(data, split) == expected
    assert data.splits[split].majority_baseline == 1


def test_flipped_rows_are_the_orders_that_training_lacks_of_pairs_that_it_has(data):
    train = set(inferred_facts(data, "train_inferred"))
    rows = {(attribute, first, second) for attribute, first, second, _ in train}
    expected = {(attribute, second, first) for attribute, first, second in rows} - rows
    found = [fact[:3] for fact in inferred_facts(data, "test_inferred_flipped")]
    assert set(found) == expected
    assert len(found) == len(expected) == data.splits["test_inferred_flipped"].rows


def test_a_diagnostic_split_that_a_draw_leaves_empty_is_left_out():
    whole = ComparisonTask(entities=20, attributes=2, values=2, phi=7.5, id_ratio=0.5, test_ratio=0.1, probe_size=ALL)
    for seed in range(100):
        try:
            data = build_task(whole.model_copy(update={"seed": seed, "values": 1000}))
        except InputError:
            continue
        if "test_inferred_ood_equal" not in data.splits:
            assert (
                {"train_inferred", "test_inferred_ood", "test_inferred_mixed"} <= set(data.splits) == set(data.probes)
            )
            return
    raise AssertionError("every draw had equal values among few entities")


def test_what_is_held_out_is_drawn_anew_for_each_attribute(data):
    in_domain = atomic_facts(data, "id_atomic")
    by_attribute = []
    for attribute in (f"<attr_{a}>" for a in range(4)):
        place = {entity: place for place, (_, entity) in enumerate(fact for fact in in_domain if fact[0] == attribute)}
        facts = [fact for fact in inferred_facts(data, "test_inferred_iid") if fact[0] == attribute]
        by_attribute.append({frozenset((place[first], place[second])) for _, first, second, _ in facts})
    expected_overlap = math.comb(54, 2) * 0.1 * 0.1
    for one, other in itertools.combinations(by_attribute, 2):
        assert len(one & other) < 3 * expected_overlap


def test_training_pairs_are_down_sampled_row_by_row(data):
    orders = Counter((attribute, frozenset((a, b))) for attribute, a, b, _ in inferred_facts(data, "train_inferred"))
    assert set(orders.values()) == {1, 2}


def test_sizes(data):
    id_atomic = 54 * 4
    drawn = {*EQUAL, "test_inferred_iid", "test_inferred_flipped"}
    assert {name: split.rows for name, split in data.splits.items() if name not in drawn} == {
        "id_atomic": id_atomic,
        "ood_atomic": 6 * 4,
        "train_inferred": round(12.6 * id_atomic),
        "test_inferred_ood": 6 * 5 * 4,
        "test_inferred_mixed": 54 * 6 * 2 * 4,
    }
    pairs = math.comb(54, 2) * 4
    assert abs(data.splits["test_inferred_iid"].rows / 2 - 0.1 * pairs) < 5 * math.sqrt(pairs * 0.1 * 0.9)
    for name, split in data.splits.items():
        assert split.rows == len(data.probes[name])
        assert split.rows == len(data.train[name] if name in data.train else data.probes[name])


def test_roles_and_order_of_the_splits(data):
    assert {name: split.role for name, split in data.splits.items()} == ROLES
    assert tuple(name for name, role in ROLES.items() if role == "held_out") == TASK.held_out_splits


def test_the_vocabulary_is_ordered_as_in_the_reference(data):
    assert data.vocabulary == (
        *(f"<e_{e}>" for e in range(60)),
        *(f"<attr_{a}>" for a in range(4)),
        *(f"<{v}>" for v in range(6)),
        *("<mask>", "<sep>", "<a>", "</a>", "<q>", "</q>"),
        *(f"<attr_{a}_{label}>" for a in range(4) for label in range(3)),
    )
    assert data.vocabulary[data.eos] == "</a>"


def test_the_prefixes_begin_every_inferred_question(data):
    assert [[data.vocabulary[token] for token in prefix] for prefix in data.prefixes] == [
        [f"<attr_{a}>", "<q>"] for a in range(4)
    ]
    for split in INFERRED:
        assert {tuple(tokens) for tokens in data.probes[split].tokens[:, :2].tolist()} <= set(data.prefixes)


def test_the_majority_baseline_is_the_best_guess_from_the_attribute(data):
    for name, split in data.splits.items():
        by_attribute = {}
        for question, answer in texts(data, data.probes[name]):
            attribute = next(token for token in question if token.startswith("<attr"))
            by_attribute.setdefault(attribute, Counter())[answer] += 1
        hits = sum(max(answers.values()) for answers in by_attribute.values())
        assert split.majority_baseline == pytest.approx(hits / split.rows), name


def test_probes_are_a_part_of_the_full_split_of_the_wanted_size(data):
    some = build_task(TASK.model_copy(update={"probe_size": 50}))
    for name, rows in some.probes.items():
        chosen, full = whole_rows(rows), whole_rows(data.probes[name])
        assert len(chosen) == len(rows) == min(50, data.splits[name].rows)
        assert chosen <= full
        assert some.splits[name] == data.splits[name]


def test_raising_phi_only_adds_training_inferences(data):
    fewer = build_task(TASK.model_copy(update={"phi": 5.0}))
    assert set(inferred_facts(fewer, "train_inferred")) < set(inferred_facts(data, "train_inferred"))
    assert inferred_facts(fewer, "test_inferred_iid") == inferred_facts(data, "test_inferred_iid")


def test_another_seed_gives_other_facts_and_other_splits(data):
    other = build_task(TASK.model_copy(update={"seed": 1}))
    assert atomic_facts(other, "id_atomic") != atomic_facts(data, "id_atomic")
    assert unordered(inferred_facts(other, "test_inferred_iid")) != unordered(inferred_facts(data, "test_inferred_iid"))


@pytest.mark.parametrize("count", [2, 3, 10])
@pytest.mark.parametrize("chunk", [1, 7, 1000])
def test_pairs_in_chunks_are_all_pairs_in_order(count, chunk):
    members = np.arange(count) * 10
    found = np.concatenate([np.column_stack(pairs) for pairs in pairs_within(members, chunk)])
    assert found.tolist() == list(map(list, itertools.combinations(members.tolist(), 2)))
    others = np.arange(4) + 1000
    found = np.concatenate([np.column_stack(pairs) for pairs in pairs_between(members, others, chunk)])
    assert found.tolist() == list(map(list, itertools.product(members.tolist(), others.tolist())))


def test_chunks_do_not_change_the_data(data, monkeypatch):
    monkeypatch.setattr("grokcore.tasks.comparison.pairs_within", lambda members: pairs_within(members, 100))
    monkeypatch.setattr("grokcore.tasks.comparison.pairs_between", lambda left, right: pairs_between(left, right, 100))
    chunked = build_task(TASK)
    for name in data.probes:
        assert np.array_equal(chunked.probes[name].tokens, data.probes[name].tokens)
    assert np.array_equal(chunked.train["train_inferred"].tokens, data.train["train_inferred"].tokens)
    assert chunked.splits == data.splits


def seed_where(task, message):
    """The line with which some draw of `task` is refused; draws differ by seed."""
    for seed in range(200):
        try:
            build_task(task.model_copy(update={"seed": seed}))
        except InputError as error:
            if message in str(error):
                return str(error)
    raise AssertionError(f"no draw was refused with {message!r}")


def test_a_draw_that_leaves_too_few_training_pairs_says_how_low_phi_must_be():
    line = seed_where(ComparisonTask(entities=10, attributes=1, values=2, phi=6.3, id_ratio=0.8), "asks for")
    assert "lower phi to at most" in line
    assert "\n" not in line
    most = float(line.partition("lower phi to at most ")[2].partition(",")[0])
    assert 0 < most < 6.3


def test_an_empty_split_names_what_to_raise():
    line = seed_where(ComparisonTask(entities=5, attributes=1, values=2, phi=1, id_ratio=0.6, test_ratio=0.1), "empty")
    assert line == "this draw left test_inferred_iid empty: raise test_ratio=0.1 or raise entities"


@pytest.mark.parametrize(
    ("fields", "advice"),
    [
        ({"entities": 100_000, "attributes": 10_000}, "lower entities or attributes"),
        ({"entities": 20_000, "attributes": 20, "phi": 200.0}, "lower phi, entities or attributes"),
        ({"entities": 20_000, "attributes": 20, "probe_size": 10**8}, "lower it"),
    ],
)
def test_data_that_cannot_fit_are_refused_before_they_are_drawn(fields, advice):
    with pytest.raises(InputError, match=advice) as caught:
        build_task(ComparisonTask(**fields))
    assert "\n" not in str(caught.value)


THESIS = """
import resource, sys
from pathlib import Path
from grokcore.data import generate_dataset, open_dataset
from grokcore.spec import ComparisonTask
task = ComparisonTask(entities=1000, attributes=20, values=20, phi=12.6, id_ratio=0.9, probe_size=3000)
generate_dataset(task, sys.argv[1])
dataset = open_dataset(sys.argv[1])
rows = {name: split.rows for name, split in dataset.info.splits.items()}
assert rows["id_atomic"] == 18_000, rows
assert rows["ood_atomic"] == 2_000, rows
assert rows["train_inferred"] == 226_800, rows
assert rows["test_inferred_ood"] == 198_000, rows
assert abs(rows["test_inferred_iid"] - 1_618_200) < 10_000, rows
assert len(dataset.train()) == 246_800
assert dataset.info.vocabulary_size == 1106
assert {name: len(probes) for name, probes in dataset.probes().items()} == {
    name: 2000 if name == "ood_atomic" else 3000 for name in rows}
for name, split in dataset.info.splits.items():
    assert split.chance == (1 / 3 if "inferred" in name else 1 / 20), (name, split)
    if "inferred" in name and "equal" not in name:
        assert abs(split.majority_baseline - 0.475) < 0.01, (name, split)
status = Path("/proc/self/status")
if status.exists():  # on Linux ru_maxrss counts the process that started this one too
    peak = int(status.read_text().partition("VmHWM:")[2].split()[0]) * 1024
else:
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * (1 if sys.platform == "darwin" else 1024)
assert peak < 2**30, peak
"""


def test_the_configuration_of_the_thesis_has_its_sizes_within_a_gigabyte(tmp_path):
    command = [sys.executable, "-c", THESIS, str(tmp_path / "thesis")]
    finished = subprocess.run(command, capture_output=True, text=True, check=False)
    assert finished.returncode == 0, finished.stderr
