"""The task and the loss, by themselves; with the package installed: `pip install -e . && pytest`."""

from __future__ import annotations

import numpy as np
import torch
from grokcore_xor.loss import squared_error
from grokcore_xor.task import XorTask

from grokcore.tasks import build_task


def test_every_equation_is_right_and_in_one_split() -> None:
    data = build_task(XorTask(bits=3))
    seen = np.concatenate([data.train["train"].tokens, data.probes["test"].tokens])
    assert len(np.unique(seen, axis=0)) == len(seen) == 64
    for rows in (data.train["train"], data.probes["test"]):
        assert (rows.answers == rows.tokens[:, 0] ^ rows.tokens[:, 2]).all()


def test_the_same_spec_gives_the_same_data_and_another_seed_others() -> None:
    first, again, other = (build_task(XorTask(bits=3, seed=seed)).train["train"].tokens for seed in (0, 0, 1))
    assert (first == again).all()
    assert not np.array_equal(first, other)


def test_the_loss_is_the_squared_distance_from_the_target() -> None:
    logits = torch.tensor([[1.0, 0.0], [0.0, 0.5]])
    assert squared_error(logits, torch.tensor([0, 1]), 0.0).item() == 0.125
    assert squared_error(logits, torch.tensor([0, 1]), 1.0).item() == (0.5 + 0.25) / 2
