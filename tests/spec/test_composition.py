"""Which parts go together, and what is said where they do not."""

from __future__ import annotations

from itertools import product

import pytest

from grokcore.errors import InputError
from grokcore.spec import load_spec

SHARING = {
    "none": "null",
    "blocks": "{kind: blocks}",
    "mlp": "{kind: mlp}",
}
RECURRENCE = {
    "none": "null",
    "fixed": "{kind: fixed}",
    "random": "{kind: random}",
    "adaptive": "{kind: adaptive}",
}
MEMORY = {"none": "null", "mlp": "{kind: mlp}", "slots": "{kind: slots}"}


def problem(*overrides: str) -> str | None:
    try:
        load_spec("smoke", ["model.layers=2", *overrides])
    except InputError as error:
        return str(error)
    return None


@pytest.mark.parametrize("architecture", ["gpt2", "llama", "rwkv", "mamba"])
@pytest.mark.parametrize(("sharing", "recurrence", "memory"), list(product(SHARING, RECURRENCE, MEMORY)))
def test_parts_compose_unless_two_run_the_blocks_again_or_nothing_is_there_to_share(
    sharing: str, recurrence: str, memory: str, architecture: str
) -> None:
    chosen = [
        f"model.architecture={architecture}",
        f"model.sharing={SHARING[sharing]}",
        f"model.recurrence={RECURRENCE[recurrence]}",
        f"model.memory={MEMORY[memory]}",
    ]
    refused = problem(*chosen)
    assert "\n" not in (refused or "")

    if sharing == "blocks" and recurrence != "none":
        assert refused is not None
        assert "sharing.kind=blocks and recurrence both run the blocks again" in refused
    elif sharing == "mlp" and architecture == "mamba":
        assert refused is not None
        assert "the blocks of mamba have no MLP to share" in refused
    else:
        assert refused is None
    used = [name for name, part in zip(("sharing", "recurrence", "memory"), (sharing, recurrence, memory), strict=True)]
    if refused is None:
        refused = problem(*chosen, "model.implementation=transformers")
        composed = any(part != "none" for part in (sharing, recurrence, memory))
        assert (refused is not None) == composed
        assert refused is None or any(name in refused for name in used)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["model.sharing.repeat=2"], "model.sharing: needs 'kind'"),
        (["model.sharing={kind: blocks, repeat: 1}"], "model.sharing.repeat: .*greater than or equal to 2, got 1"),
        (["model.sharing={kind: blocks, order: sequence, reentry: 1}"], "model.sharing: reentry lies between"),
        (["model.sharing={kind: layers}"], "model.sharing.kind: 'layers' is not known; allowed are 'blocks', 'mlp'"),
        (["model.sharing={kind: mlp}", "model.layers=1"], "layers=1 leaves nothing to share, so it needs 2"),
        (["model.recurrence={kind: random, least: 5}"], "least=5 must not be above most=4"),
        (["model.recurrence={kind: fixed, tolerance: 1}"], "model.recurrence.tolerance: there is no such field"),
        (["model.memory={kind: slots, slots: 0}"], "model.memory.slots: .*greater than or equal to 1"),
        (["model.match_by=width"], "match_by=width chooses a width by match=parameters or match=flops"),
        (["model.match=flops", "model.recurrence={kind: fixed, reentry: 1}"], "match=flops cannot count reentry"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(overrides: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said):
        load_spec("smoke", ["model.layers=2", *overrides])


def test_parts_are_switched_on_by_their_kind_alone_and_off_by_null() -> None:
    spec = load_spec("smoke", ["model.recurrence.kind=random", "model.recurrence.most=6", "model.memory.kind=slots"])
    assert spec.model.recurrence is not None
    assert spec.model.recurrence.model_dump() == {
        "kind": "random",
        "least": 1,
        "most": 6,
        "evaluation": None,
        "seed": 0,
        "reentry": None,
        "zero_init": False,
    }
    off = ["model.recurrence=null", "model.memory=null"]
    assert load_spec(spec.model_dump_json(), off).run_id == load_spec("smoke").run_id
