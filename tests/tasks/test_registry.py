"""What every task promises, whatever its kind."""

import hashlib
import re

import numpy as np
import pytest

from grokcore.spec.tasks import CLASSES, GENERATOR_VERSIONS
from grokcore.tasks import FROM_FACTS, TASKS, build_task
from tests.tasks.small_tasks import SMALL, texts

CONTENT = {
    "comparison": "0300188692f7113036bb1509cc77284fdb2b5d32664f4a5ca77a9f2b1305983f",
    "modular": "42bc85bf89d9a408234e45f34d9adf03bf621c3daed2500fb9bd9cb62d577183",
    "composition": "5d0c6f71cb7059f0aaf884d76e305700ba514610ac810441ccadbc4ead82351e",
    "complex_reasoning": "2eb888f5cd8a033788ebe8b2075a25a66c2a80b7bd6fd0cef7bacd3d6be20489",
    "in_context": "0eb4e281e8cd250c6d4fd73af05f9e4935685121b4f1bd1c748ab3e7240f8f6f",
    "in_context_modular": "ee7f0d0d9459a052d084fd8a377e3af7ef040f7cd9bd3733b1271ce11073afd2",
    "permutations": "2ff1d73a2e61d62a9d1889e31d74f3b95b92dbdc606ede0d814dcff03bf88360",
}
"""SHA-256 of the small datasets. If one changes without a new version of its kind, ids no longer name one content."""
VERSIONS = dict.fromkeys(CONTENT, 2) | {"in_context": 3}

by_kind = pytest.mark.parametrize("kind", SMALL)


@pytest.fixture(scope="module")
def built():
    return {kind: build_task(task) for kind, task in SMALL.items()}


def content(data):
    """A hash of the data that a task hands over, the same on every platform; prefixes only say what can be shared."""
    digest = hashlib.sha256(repr((data.vocabulary, data.eos, dict(data.splits))).encode())
    for part in (data.train, data.probes):
        for name, rows in part.items():
            digest.update(name.encode())
            for array in (rows.tokens, rows.lengths, rows.answers):
                digest.update(array.astype("<i4").tobytes())
    return digest.hexdigest()


def whole_rows(rows):
    return list(map(tuple, np.column_stack([rows.lengths, rows.tokens, rows.answers]).tolist()))


def test_every_kind_of_task_in_the_spec_can_be_built():
    assert set(CLASSES) == set(TASKS) == set(SMALL)
    assert {kind for kind, member in CLASSES.items() if "facts" in member.model_fields} == set(FROM_FACTS)


@pytest.mark.parametrize("kind", CONTENT)
def test_the_content_never_drifts(built, kind):
    assert SMALL[kind].generator_version == VERSIONS[kind]
    assert content(built[kind]) == CONTENT[kind]


def test_options_that_reproduce_former_data_give_them_still():
    """Pairs that are stated in both orders, and prompts that ask for one entity."""
    pairs = SMALL["complex_reasoning"].model_copy(update={"stated": "pairs"})
    recall = SMALL["in_context"].model_copy(update={"variant": "recall"})
    assert pairs.generator_version == recall.generator_version == 2
    assert content(build_task(pairs)) == "907b2b45da5aa9a606e5e172501edf5649e88674286b5329d98b87cfebbf94c7"
    assert content(build_task(recall)) == "1419061c77fda7f8d22dae0a0f9186f785d50aef18f8d3c3cd8d25f427aadf80"


def test_every_version_of_the_generator_that_a_kind_is_at_is_known():
    assert {task.generator_version for task in SMALL.values()} == set(GENERATOR_VERSIONS)


@by_kind
def test_the_same_seed_gives_the_same_data_and_another_seed_others(built, kind):
    assert content(build_task(SMALL[kind])) == content(built[kind])
    assert content(build_task(SMALL[kind].model_copy(update={"seed": 1}))) != content(built[kind])


@by_kind
def test_the_vocabulary_and_the_splits_are_consistent(built, kind):
    data = built[kind]
    assert len(set(data.vocabulary)) == len(data.vocabulary)
    assert all(re.fullmatch("<[^<>]+>", token) for token in data.vocabulary)
    assert data.vocabulary[data.eos] == "</a>"
    assert list(data.probes) == list(data.splits)
    assert set(data.train) == {name for name, split in data.splits.items() if split.role == "train"}
    held_out = [name for name, split in data.splits.items() if split.role == "held_out"]
    assert held_out == list(SMALL[kind].held_out_splits)


@by_kind
def test_rows_are_of_the_vocabulary_and_sizes_are_as_stated(built, kind):
    data = built[kind]
    for rows in (*data.train.values(), *data.probes.values()):
        assert rows.tokens.dtype == rows.lengths.dtype == rows.answers.dtype == np.int32
        assert rows.tokens.shape == (len(rows), rows.lengths.max())
        assert len(rows.lengths) == len(rows) > 0
        for ids in (rows.tokens, rows.answers):
            assert 0 <= ids.min() <= ids.max() < len(data.vocabulary)
        assert data.eos not in rows.tokens
    for name, rows in data.train.items():
        assert data.splits[name].rows == len(rows)
    for name, split in data.splits.items():
        assert len(data.probes[name]) == min(SMALL[kind].probe_size, split.rows)


@by_kind
def test_always_giving_the_most_common_answer_is_at_least_as_good_as_a_uniform_guess(built, kind):
    for split in built[kind].splits.values():
        assert 0 < split.chance <= split.majority_baseline <= 1


@by_kind
def test_no_question_stands_twice_in_a_split_or_in_two_of_those_that_measure(built, kind):
    data, places = built[kind], {}
    for name, split in data.splits.items():
        rows = data.train.get(name, data.probes[name])
        questions = [question for question, _ in texts(data, rows)]
        assert len(set(questions)) == len(questions), name
        if split.role != "diagnostic":
            for question in questions:
                assert places.setdefault(question, name) == name


@by_kind
def test_probes_of_a_training_split_are_rows_of_it(built, kind):
    for name, rows in built[kind].train.items():
        assert set(whole_rows(built[kind].probes[name])) <= set(whole_rows(rows))


@by_kind
def test_a_larger_probe_size_only_adds_rows(built, kind):
    more = build_task(SMALL[kind].model_copy(update={"probe_size": 60}))
    for name, rows in built[kind].probes.items():
        assert set(whole_rows(rows)) <= set(whole_rows(more.probes[name])), name
    for name, rows in built[kind].train.items():
        assert whole_rows(rows) == whole_rows(more.train[name])


@by_kind
def test_prefixes_have_one_length_and_begin_questions(built, kind):
    data = built[kind]
    lengths = {len(prefix) for prefix in data.prefixes}
    assert len(lengths) <= 1
    assert len(set(data.prefixes)) == len(data.prefixes)
    for length in lengths:
        beginnings = {tuple(tokens[:length]) for rows in data.train.values() for tokens in rows.tokens.tolist()}
        assert set(data.prefixes) <= beginnings


@by_kind
def test_the_rows_that_a_task_draws_in_its_docstring_are_rows_of_its_default_data(kind):
    from importlib import import_module

    module = import_module(f"grokcore.tasks.{kind}")
    drawn = re.findall(r"^    ((?:<[^<>]+> )*<[^<>]+>)  +(<[^<>]+>) +</a>", module.__doc__, re.MULTILINE)
    assert len(drawn) >= 2
    others = {
        "in_context": {"variant": "recall"},
        "in_context_modular": {"modulus": 7, "context": 5, "functions": 32, "input_ratio": 0.7},
        "composition": {"identity": True},
    }
    rows = set()
    for task in (CLASSES[kind](), CLASSES[kind](**others.get(kind, {}))):
        data = build_task(task.model_copy(update={"probe_size": 20_000}) if not kind.startswith("in_context") else task)
        for part in (*data.train.values(), *data.probes.values()):
            rows.update(texts(data, part))
    for question, answer in drawn:
        assert (tuple(question.split()), answer) in rows
