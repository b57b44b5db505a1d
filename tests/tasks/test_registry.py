import hashlib
from typing import get_args

import numpy as np
import pytest

from grokcore.spec import ComparisonTask, ModularTask, TaskSpec
from grokcore.tasks import TASKS, build_task

SMALL = {
    "comparison": ComparisonTask(entities=30, attributes=2, values=4, phi=5, probe_size=40),
    "modular": ModularTask(modulus=11, probe_size=40),
}
CONTENT = {
    "comparison": "2817aa73f530def63c2216643c31c55360c7218bcdcd6050d79029dac9c033e1",
    "modular": "d65c613ad8252e3dd9217db1f5c06b1025f66701fa4c99bdd659294dc0b9bd88",
}
"""SHA-256 of the small data sets. If one changes without a new GENERATOR_VERSION, ids no longer name one content."""


def content(data):
    """A hash of the data that a task hands over, the same on every platform; prefixes only say what can be shared."""
    digest = hashlib.sha256(repr((data.vocabulary, data.eos, dict(data.splits))).encode())
    for part in (data.train, data.probes):
        for name, rows in part.items():
            digest.update(name.encode())
            for array in (rows.tokens, rows.lengths, rows.answers):
                digest.update(array.astype("<i4").tobytes())
    return digest.hexdigest()


def test_every_kind_of_task_in_the_spec_can_be_built():
    union = get_args(TaskSpec)[0]
    assert {get_args(member.model_fields["kind"].annotation)[0] for member in get_args(union)} == set(TASKS)
    assert set(SMALL) == set(TASKS)


@pytest.mark.parametrize("kind", SMALL)
def test_the_content_never_drifts(kind):
    assert content(build_task(SMALL[kind])) == CONTENT[kind]


@pytest.mark.parametrize("kind", SMALL)
def test_what_a_task_hands_over_is_consistent(kind):
    task = SMALL[kind]
    data = build_task(task)
    assert len(set(data.vocabulary)) == len(data.vocabulary)
    assert data.vocabulary[data.eos] == "</a>"
    assert set(data.probes) == set(data.splits)
    assert set(data.train) == {name for name, split in data.splits.items() if split.role == "train"}
    held_out = [name for name, split in data.splits.items() if split.role == "held_out"]
    assert held_out == list(task.held_out_splits)
    for rows in (*data.train.values(), *data.probes.values()):
        assert rows.tokens.dtype == rows.lengths.dtype == rows.answers.dtype == np.int32
        assert rows.tokens.shape == (len(rows), rows.tokens.shape[1])
        assert len(rows.lengths) == len(rows) > 0
        for ids in (rows.tokens, rows.answers):
            assert 0 <= ids.min() <= ids.max() < len(data.vocabulary)
    for name, split in data.splits.items():
        assert len(data.probes[name]) == min(task.probe_size, split.rows)
        assert 0 < split.majority_baseline <= 1
