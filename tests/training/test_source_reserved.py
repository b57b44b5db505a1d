"""Runs that start from another, with new rows for the entities that it has reserved."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

import grokcore
from grokcore.errors import InputError
from grokcore.spec import load_spec, resolve
from tests.training.starting import ALL, embedding, starting, trainer_of

COMPOSITION = ["task.relations=20", "task.phi=6", "task.test_ratio=0.2", "model.width=16", "model.layers=1"]
RESERVED = "task.new_facts={facts: 0, reserved_entities: 30}"


@pytest.mark.parametrize("tied", ["true", "false"])
@pytest.mark.parametrize("parts", ["all", "embedding"])
def test_reserved_entities_are_drawn_anew_like_trained_ones(parts: str, tied: str, tmp_path: Path) -> None:
    overrides = [*COMPOSITION, "training.max_steps=30", f"model.tie_embeddings={tied}"]
    first = load_spec("composition-small", [*overrides, RESERVED])
    grokcore.generate_dataset(first.task, tmp_path / "data")
    grokcore.train_model(first, tmp_path / "data", tmp_path / "first")

    def weights_of(*more: str) -> dict[str, torch.Tensor]:
        start = [f"model.start_from.model={tmp_path / 'first'}", f"model.start_from.parts={parts}"]
        spec = resolve(load_spec("composition-small", [*overrides, RESERVED, *start, *more]))
        return dict(trainer_of(spec, tmp_path / "data").model.named_parameters())

    kept, drawn = weights_of(), weights_of("model.start_from.redraw_reserved=true")
    other = weights_of("model.start_from.redraw_reserved=true", "seed=1")
    changed = [name for name in kept if not torch.equal(kept[name], drawn[name])]
    embedding = "embedding.factor" if parts == "embedding" else "embedding.weight"
    assert changed == [embedding] + (["head.weight"] if (parts, tied) == ("all", "false") else [])
    for name in changed:
        assert torch.equal(kept[name][:-30], drawn[name][:-30])
        assert not torch.equal(drawn[name][-30:], other[name][-30:])
        trained, reserved = drawn[name][:40], drawn[name][-30:]
        assert reserved.std(0).mean().item() == pytest.approx(trained.std(0).mean().item(), rel=0.15)


def test_new_entities_of_a_comparison_are_drawn_anew_for_the_training_that_states_them(tmp_path: Path) -> None:
    powered, new = ["task.entities=60", "task.test_ratio=0.3"], "task.new_facts={reserved_entities: 30, stated: %s}"
    first = load_spec("smoke", [*powered, new % "false", "training.max_steps=5"])
    grokcore.generate_dataset(first.task, tmp_path / "old")
    grokcore.train_model(first, tmp_path / "old", tmp_path / "first")
    second = starting(tmp_path / "first", ALL, "model.start_from.redraw_reserved=true", *powered, new % "true")
    grokcore.generate_dataset(second.task, tmp_path / "new")
    before, after = embedding(tmp_path / "first"), trainer_of(second, tmp_path / "new").model.state_dict()
    found = after["embedding.weight"]
    assert torch.equal(found[:-30], before[:-30])
    assert bool((found[-30:] != before[-30:]).any(dim=1).all())


def test_only_reserved_entities_can_be_drawn_anew(smoke_run: Path) -> None:
    with pytest.raises(InputError, match=r"redraw_reserved needs entities in task.new_facts.reserved_entities"):
        starting(smoke_run, "model.start_from.redraw_reserved=true")
