"""Composition of permutations: every equation recomputed by mappings of points, and the laws of a group."""

from itertools import permutations, product

import pytest

from grokcore.errors import InputError
from grokcore.spec import PermutationsTask, validate
from grokcore.tasks import build_task
from tests.tasks.small_tasks import ALL, texts


def equations(data):
    """Every equation of both splits as (a, b, c), read back from its tokens alone."""
    found = []
    for split in ("train", "test"):
        for (a, symbol, b, equals), c in texts(data, data.probes[split]):
            assert (symbol, equals) == ("<o>", "<=>")
            found.append(tuple(token.strip("<>") for token in (a, b, c)))
    return found


def mapping(permutation):
    """A permutation in one-line notation as {point: image}."""
    return {str(point): image for point, image in enumerate(permutation, start=1)}


@pytest.fixture(scope="module", params=[3, 4, 5])
def degree_and_equations(request):
    return request.param, equations(build_task(PermutationsTask(degree=request.param, probe_size=ALL)))


def test_every_pair_of_permutations_stands_in_exactly_one_split(degree_and_equations):
    degree, rows = degree_and_equations
    elements = {"".join(image) for image in permutations("123456"[:degree])}
    assert len(rows) == len(elements) ** 2
    assert {(a, b) for a, b, _ in rows} == set(product(elements, elements))


def test_the_second_operand_is_applied_first(degree_and_equations):
    for a, b, c in degree_and_equations[1]:
        first, then, composed = mapping(b), mapping(a), mapping(c)
        assert composed == {point: then[first[point]] for point in first}


def test_the_operation_is_that_of_a_group_and_does_not_commute(degree_and_equations):
    degree, rows = degree_and_equations
    result = {(a, b): c for a, b, c in rows}
    elements = sorted({a for a, _, _ in rows})
    identity = "123456"[:degree]
    for a in elements:
        assert result[a, identity] == result[identity, a] == a
        assert len({result[a, b] for b in elements}) == len({result[b, a] for b in elements}) == len(elements)
        assert any(result[a, b] == identity == result[b, a] for b in elements)
    some = elements[:: max(1, len(elements) // 8)]
    assert all(result[result[a, b], c] == result[a, result[b, c]] for a, b, c in product(some, some, some))
    assert any(result[a, b] != result[b, a] for a, b in product(some, some))


def test_the_default_is_the_published_half_of_the_table_of_s5():
    data = build_task(PermutationsTask())
    assert {name: (split.role, split.rows) for name, split in data.splits.items()} == {
        "train": ("train", 7200),
        "test": ("held_out", 7200),
    }
    assert data.splits["test"].chance == 1 / 120
    assert data.vocabulary[:2] == ("<12345>", "<12354>")
    assert data.vocabulary[119:] == ("<54321>", "<o>", "<=>", "</a>")
    assert data.prefixes == tuple((a, 120) for a in range(120))


def test_the_largest_group_is_built_in_full():
    data = build_task(PermutationsTask(degree=6, train_ratio=0.1))
    assert data.splits["train"].rows + data.splits["test"].rows == 720**2
    assert len(set(data.vocabulary)) == 723


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"degree": 7}, "degree: .*less than or equal to 6, got 7"),
        ({"train_ratio": 1e-9}, "train_ratio=1e-09 of 14400 equations leaves an empty split: change train_ratio"),
    ],
)
def test_impossible_tasks_are_refused_with_the_field_to_change(fields, message):
    with pytest.raises(InputError, match=message):
        validate(PermutationsTask, fields)
