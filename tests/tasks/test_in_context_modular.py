"""In-context modular tasks: labels, splits, what is held out, and what is refused."""

from math import perm

import numpy as np
import pytest

from grokcore.errors import InputError
from grokcore.spec import InContextModularTask, validate
from grokcore.tasks import build_task
from grokcore.tasks.in_context_modular import determine_function, is_determined
from tests.tasks.small_tasks import texts

TASK = InContextModularTask(modulus=7, context=5, functions=30, input_ratio=0.6, train_size=3000, probe_size=400)
P, K = TASK.modulus, TASK.context
SPLITS = ["train", "test_iid", "test_inputs", "test_functions", "test_ood"]


@pytest.fixture(scope="module")
def data():
    return build_task(TASK)


@pytest.fixture(scope="module")
def rows(data):
    """split -> the numbers (x, y, z) of every row, as text says them: no array of the task's is used."""
    found = {}
    for name in data.splits:
        full = data.train.get(name, data.probes[name])
        whole = [[int(token[1:-1]) for token in (*question, answer)] for question, answer in texts(data, full)]
        found[name] = [[*zip(row[0::3], row[1::3], row[2::3], strict=True)] for row in whole]
    return found


def function_of(row):
    """The coefficients by Cramer's rule, from the first two independent examples before the last."""
    for one in range(K - 1):
        for two in range(one):
            (x, y, z), (u, v, w) = row[one], row[two]
            determinant = (x * v - y * u) % P
            if determinant:
                inverse = pow(determinant, -1, P)
                return (z * v - y * w) * inverse % P, (x * w - z * u) * inverse % P
    raise AssertionError(f"{row} has no two independent examples")


@pytest.mark.parametrize("split", SPLITS)
def test_every_result_is_that_of_the_one_function_of_the_examples_before_the_last(rows, split):
    for row in rows[split]:
        a, b = function_of(row)
        assert [(a * x + b * y) % P for x, y, _ in row] == [z for _, _, z in row]
        assert len({(x, y) for x, y, _ in row}) == K


def pairs_of(rows):
    """All functions and all inputs of a split."""
    return {function_of(row) for row in rows}, {(x, y) for row in rows for x, y, _ in row}


def test_held_out_functions_and_inputs_stand_in_no_training_row(rows):
    functions, inputs = pairs_of(rows["train"])
    assert len(functions) == TASK.functions
    assert len(inputs) == TASK.training_inputs == round(0.6 * P**2)
    for split, new_functions, new_inputs in (
        ("test_iid", False, False),
        ("test_inputs", False, True),
        ("test_functions", True, False),
        ("test_ood", True, True),
    ):
        found, asked = pairs_of(rows[split])
        assert found <= functions if not new_functions else not found & functions, split
        assert asked <= inputs if not new_inputs else not asked & inputs, split
        assert len(found) == (P**2 - TASK.functions if new_functions else TASK.functions), split
        assert len(asked) == (P**2 - TASK.training_inputs if new_inputs else TASK.training_inputs), split


def test_functions_and_inputs_are_drawn_evenly(rows):
    counts = np.unique([a * P + b for a, b in map(function_of, rows["train"])], return_counts=True)[1]
    expected = TASK.train_size / TASK.functions
    assert ((counts - expected) ** 2 / expected).sum() < TASK.functions + 4 * (2 * TASK.functions) ** 0.5
    places = np.array([[x * P + y for x, y, _ in row] for row in rows["train"]])
    for place in places.T:
        counts, expected = np.unique(place, return_counts=True)[1], TASK.train_size / TASK.training_inputs
        assert ((counts - expected) ** 2 / expected).sum() < TASK.training_inputs + 4 * (
            2 * TASK.training_inputs
        ) ** 0.5


def test_sizes_and_baselines_are_as_stated(data):
    assert [len(data.probes[split]) for split in SPLITS] == [TASK.probe_size] * 5
    assert data.splits["train"].rows == TASK.train_size
    assert {split.chance for split in data.splits.values()} == {1 / P}
    assert data.vocabulary == (*(f"<{number}>" for number in range(P)), "</a>")
    for split, described in data.splits.items():
        answers = data.train.get(split, data.probes[split]).answers
        assert described.majority_baseline == max(np.bincount(answers)) / len(answers)


def test_training_asks_for_every_result(data):
    assert data.supervised == TASK.supervised == (1, 4, 7, 10)
    tokens = data.train["train"].tokens
    assert tokens.shape == (TASK.train_size, 3 * K - 1)
    function = tokens[:, [position + 1 for position in data.supervised]]
    assert (function == tokens[:, 2::3]).all()


def test_more_training_rows_only_add_rows(data):
    more = build_task(TASK.model_copy(update={"train_size": 4000}))
    assert np.array_equal(more.train["train"].tokens[: TASK.train_size], data.train["train"].tokens)
    assert np.array_equal(more.probes["test_ood"].tokens, data.probes["test_ood"].tokens)


def test_chunks_do_not_change_the_data(data, monkeypatch):
    monkeypatch.setattr("grokcore.tasks.prompts._CHUNK", 77)
    chunked = build_task(TASK)
    assert np.array_equal(chunked.train["train"].tokens, data.train["train"].tokens)
    assert np.array_equal(chunked.probes["test_ood"].tokens, data.probes["test_ood"].tokens)


def test_what_examples_determine_is_found_by_trying_all_functions():
    p = 5
    generator = np.random.default_rng(0)
    inputs = np.array([generator.permutation(p**2)[:4] for _ in range(300)] + [[0, 1, 2, 3], [0, 6, 12, 1]])
    x, y = np.divmod(inputs, p)
    a, b = np.divmod(np.arange(p**2), p)
    results = (a[:, None, None] * x + b[:, None, None] * y) % p  # (functions, N, K)
    for row, (found, whole) in enumerate(zip(is_determined(inputs, p), determine_function(inputs, p), strict=True)):
        table = results[:, row]
        for place in range(4):
            following = {}
            for function in table:
                following.setdefault(tuple(function[:place]), set()).add(function[place])
            assert found[place] == (max(map(len, following.values())) == 1), (inputs[row], place)
        assert whole == (len({tuple(function) for function in table}) == p**2)


def test_the_share_of_determined_results_is_as_counted():
    """Without held-out inputs: the first result is known for (0, 0) alone, the second for multiples of the first."""
    p = 29
    generator = np.random.default_rng(1)
    inputs = np.array([generator.permutation(p**2)[:3] for _ in range(20_000)])
    first, second, _ = is_determined(inputs, p).mean(0)
    pairs = p**2
    assert first == pytest.approx(1 / pairs, abs=1e-3)
    assert second == pytest.approx(1 / pairs + (pairs - 1) / pairs * (p - 1) / (pairs - 1), abs=4e-3)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"modulus": 9}, "modulus=9 is not prime, so that examples need not determine a function"),
        ({"modulus": 7, "functions": 49}, "functions=49 of 49 holds none out"),
        ({"input_ratio": 0.9}, "gives 109 in training and 12 held out; each needs at least 22"),
        ({"context": 30}, "gives 97 in training and 24 held out; each needs at least 30"),
        (
            {"modulus": 5, "functions": 16, "input_ratio": 0.6, "context": 3, "train_size": 10_000},
            f"are more than {16 * perm(15, 3) // 4}, a quarter of the rows",
        ),
        (
            {"modulus": 5, "functions": 24, "input_ratio": 0.6, "context": 3, "train_size": 100, "probe_size": 200},
            f"probe_size=200 is more than {perm(10, 3) // 4}, a quarter of the rows of a split",
        ),
    ],
)
def test_what_cannot_be_is_refused(fields, message):
    with pytest.raises(InputError, match=message.replace("(", r"\(").replace(")", r"\)")):
        validate(InContextModularTask, fields)


def test_too_large_data_are_refused():
    with pytest.raises(InputError, match="train_size=20000000 with context=20 does not fit in memory"):
        build_task(InContextModularTask(train_size=20_000_000, context=20))
