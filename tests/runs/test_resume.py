"""What may lie where a run is to be trained, and what errors say of what does not go there."""

from __future__ import annotations

from pathlib import Path

import pytest

from grokcore.errors import InputError
from grokcore.runs.resume import check_place
from grokcore.spec import load_spec, read_spec, resolve
from grokcore.storage import open_store


def refusal(run: Path, *overrides: str) -> str:
    spec = resolve(load_spec(read_spec(run / "spec.yaml").model_dump(mode="json", exclude_unset=True), overrides))
    with pytest.raises(InputError) as caught:
        check_place(open_store(run), spec, "auto")
    return str(caught.value).partition(" holds another run (")[2].partition(")")[0]


def test_another_run_is_told_by_the_fields_that_make_it_one(smoke_run: Path) -> None:
    """A budget, a name or a device may change, and so does a field that nothing depends on."""
    free = ("training.max_steps=7", "name=other", "training.device=cpu", "description=x", "evaluation.threshold=0.5")
    assert refusal(smoke_run, "model.layers=3", *free) == "model.layers: 1 there, 3 now"
    assert refusal(smoke_run, "seed=5", *free) == "seed: 0 there, 5 now"
    assert refusal(smoke_run, "training.gradient_clip=null") == "training.gradient_clip: 1.0 there, null now"
    assert "task.seed: 0 there, 3 now" in refusal(smoke_run, "task.seed=3", *free)


def test_what_chooses_other_fields_is_named_first_and_many_are_counted(smoke_run: Path) -> None:
    said = refusal(smoke_run, "model.architecture=rwkv", "model.layers=2", "training.optimizer=sgd", "seed=1")
    assert said.startswith("model.architecture: gpt2 there, rwkv now, ")
    assert "model.heads: " in said
    assert "absent now" in said
    assert refusal(smoke_run, "task.kind=modular").count(" there, ") == 5
    assert " more" in refusal(smoke_run, "task.kind=modular")
