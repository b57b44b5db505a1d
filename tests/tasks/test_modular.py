import re

import numpy as np
import pytest

from grokcore.spec import ModularTask
from grokcore.tasks import build_task


def equations(data, rows):
    """Every row as (a, op, b, c), read back from its tokens alone."""
    found = []
    for tokens, answer in zip(rows.tokens, rows.answers, strict=True):
        a, operation, b, equals = (data.vocabulary[token] for token in tokens)
        assert equals == "<=>"
        number = re.compile("<([0-9]+)>").fullmatch
        found.append((int(number(a)[1]), operation, int(number(b)[1]), int(number(data.vocabulary[answer])[1])))
    return found


@pytest.mark.parametrize("operation", ["+", "-", "*", "/"])
@pytest.mark.parametrize("modulus", [2, 13])
def test_every_equation_is_right_and_stands_in_exactly_one_split(operation, modulus):
    data = build_task(ModularTask(modulus=modulus, operation=operation, train_ratio=0.5))
    rows = equations(data, data.probes["train"]) + equations(data, data.probes["test"])
    for a, symbol, b, c in rows:
        assert symbol == f"<{operation}>"
        match operation:
            case "+":
                assert c == (a + b) % modulus
            case "-":
                assert c == (a - b) % modulus
            case "*":
                assert c == (a * b) % modulus
            case "/":
                assert b != 0
                assert 0 <= c < modulus
                assert (c * b) % modulus == a
    every = {(a, b) for a in range(modulus) for b in range(1 if operation == "/" else 0, modulus)}
    assert len(rows) == len(every)
    assert {(a, b) for a, _, b, _ in rows} == every


def test_composite_moduli_work_where_nothing_is_divided():
    data = build_task(ModularTask(modulus=12, operation="*"))
    assert all(c == a * b % 12 for a, _, b, c in equations(data, data.train["train"]))


def test_sizes_roles_and_vocabulary():
    data = build_task(ModularTask())
    assert data.splits["train"].rows == len(data.train["train"]) == round(0.4 * 97 * 97)
    assert data.splits["test"].rows == 97 * 97 - round(0.4 * 97 * 97)
    assert {name: split.role for name, split in data.splits.items()} == {"train": "train", "test": "held_out"}
    assert len(data.probes["train"]) == len(data.probes["test"]) == 1000
    assert data.vocabulary == (*(f"<{n}>" for n in range(97)), "<+>", "<=>", "</a>")
    assert data.vocabulary[data.eos] == "</a>"
    assert data.prefixes == tuple((a, 97) for a in range(97))
    assert set(data.train["train"].lengths) == {4}


def test_probes_of_the_training_split_are_training_rows():
    data = build_task(ModularTask(probe_size=50))
    assert set(equations(data, data.probes["train"])) < set(equations(data, data.train["train"]))
    assert len(data.probes["train"]) == 50


def test_the_majority_baseline_is_the_share_of_the_most_common_result():
    data = build_task(ModularTask(modulus=7, operation="*"))
    for name in ("train", "test"):
        results = [c for *_, c in equations(data, data.probes[name])]
        assert data.splits[name].majority_baseline == pytest.approx(max(map(results.count, results)) / len(results))


def test_the_same_seed_gives_the_same_split_and_another_seed_another():
    tokens = [build_task(ModularTask(seed=seed)).train["train"].tokens for seed in (0, 0, 1)]
    assert np.array_equal(tokens[0], tokens[1])
    assert not np.array_equal(tokens[0], tokens[2])


def test_a_larger_training_share_only_adds_equations():
    small, large = (build_task(ModularTask(train_ratio=ratio)) for ratio in (0.3, 0.5))
    assert set(equations(small, small.train["train"])) < set(equations(large, large.train["train"]))
