import numpy as np
import pytest

from grokcore.data.supervision import Supervision, share_beginnings, supervise
from grokcore.tasks import Rows, build_task
from tests.tasks.small_tasks import SMALL

PREFIXES = ((10, 11), (12, 11), (5, 6))


def supervision(rows, loss_on="answer"):
    """Rows of one length or another, their last token asked for."""
    longest = max(map(len, rows))
    tokens = np.array([[*row, *[0] * (longest - len(row))] for row in rows], np.int32)
    lengths = np.array([len(row) for row in rows], np.int32)
    return supervise(Rows(tokens, lengths, np.arange(len(rows), dtype=np.int32) + 20), eos=19, loss_on=loss_on)


def put_together(shared):
    """The input of every example, up to its last supervised position."""
    rows = []
    for tokens, positions, prefix in zip(shared.own.inputs, shared.own.positions, shared.of, strict=True):
        beginning = [] if prefix == len(shared.table) else shared.table[prefix].tolist()
        rows.append([*beginning, *tokens[: positions.max() + 1].tolist()])
    return rows


@pytest.mark.parametrize("loss_on", ["answer", "answer_and_eos"])
def test_prefix_and_own_tokens_make_the_example_again(loss_on):
    rows = [[10, 11, 1, 2, 3], [7, 8], [12, 11, 4, 2, 1], [5, 6, 1, 1, 1], [10, 12, 1]]
    whole = supervision(rows, loss_on)

    shared = share_beginnings(whole, PREFIXES, batch_size=100)

    assert shared.of.tolist() == [0, 3, 1, 2, 3]
    ends = whole.positions.max(axis=1) + 1
    assert put_together(shared) == [tokens[:end].tolist() for tokens, end in zip(whole.inputs, ends, strict=True)]
    assert np.array_equal(shared.own.targets, whole.targets)
    begins = np.where(shared.of < 3, 2, 0)
    assert np.array_equal(shared.own.positions + begins[:, None], whole.positions)
    assert shared.own.inputs.shape[1] == 3 + (loss_on == "answer_and_eos")


def test_a_question_asked_within_its_prefix_keeps_all_its_tokens():
    shared = share_beginnings(supervision([[10, 11], [10, 11, 1, 2, 3]]), PREFIXES, batch_size=100)

    assert shared.of.tolist() == [3, 0]
    assert put_together(shared) == [[10, 11], [10, 11, 1, 2, 3]]


@pytest.mark.parametrize(
    ("prefixes", "batch_size"),
    [
        ((), 100),
        (((10, 11), (12,)), 100),
        (PREFIXES, 3),  # six tokens of prefixes for three examples of two tokens less
    ],
)
def test_nothing_is_shared_where_nothing_is_gained(prefixes, batch_size):
    assert share_beginnings(supervision([[10, 11, 1, 2, 3], [12, 11, 1, 2, 3]]), prefixes, batch_size) is None


def test_one_long_example_of_its_own_takes_the_gain_away():
    assert share_beginnings(supervision([[10, 11, 1, 2, 3], [1, 2, 3, 4, 5]]), PREFIXES, batch_size=100) is None


def test_prefixes_longer_than_any_example_are_no_error():
    assert share_beginnings(supervision([[1], [2]]), PREFIXES, batch_size=100) is None


def test_large_vocabularies_and_long_prefixes_are_told_apart():
    prefixes = tuple((2**31 - 2, 2**31 - 2 - number, 7) for number in range(3))
    inputs = np.array([[*prefix, 1, 2, 3, 4] for prefix in prefixes[::-1]], np.int64)
    whole = Supervision(inputs, np.full((3, 1), 6), np.ones((3, 1), np.int64))

    assert share_beginnings(whole, prefixes, batch_size=100).of.tolist() == [2, 1, 0]


@pytest.mark.parametrize(
    ("kind", "own"),
    [
        *(("comparison", 3), ("modular", 2), ("permutations", 2), ("complex_reasoning", 5)),
        *(("composition", None), ("in_context", None)),
    ],
)
def test_the_prefixes_that_a_task_declares_are_those_of_its_questions(kind, own):
    data = build_task(SMALL[kind])
    for name, rows in (*data.train.items(), *data.probes.items()):
        shared = share_beginnings(supervise(rows, data.eos, "answer"), data.prefixes, batch_size=512)
        if own is None or name.endswith("atomic"):
            assert shared is None
        else:
            assert (shared.of < len(data.prefixes)).all()
            assert shared.own.inputs.shape[1] == own
