"""Sharing, recurrence and memory, each against what it means written out naively."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from grokcore.models import SequenceModel, build_model, load_model
from grokcore.models.composition import Composition
from grokcore.models.fast.layout import Layout
from grokcore.spec import GLA, GPT2, RWKV, LLaMA, Mamba
from tests.models.fast.parity import LONGEST, VOCABULARY, logits_and_gradients, questions

EVERY_BLOCK = [GPT2(width=32), LLaMA(width=32), RWKV(width=32), Mamba(width=32), GLA(width=32)]
by_architecture = pytest.mark.parametrize("plain", EVERY_BLOCK, ids=lambda spec: spec.architecture)


def composed(plain: Any, **parts: Any) -> Any:
    return type(plain).model_validate({**plain.model_dump(), **parts})


def build(spec: Any, *, noise: float = 0.1, seed: int = 0) -> Any:
    """In fp64, away from any initialization, in evaluation."""
    model = build_model(spec, vocabulary_size=VOCABULARY, sequence_length=LONGEST, seed=seed).double().eval()
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(noise * torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
    return model


def tokens_and_positions() -> tuple[Tensor, Tensor]:
    asked = questions()
    return asked.tokens, asked.positions


def naive(model: Any, tokens: Tensor, positions: Tensor, rounds: list[list[int]], between: Any = None) -> Tensor:
    """Logits by calling the blocks one after another on every token, as the rounds say."""
    hidden, layout = model._embed(tokens, None)
    if model.parts.entrance:
        hidden = getattr(model.blocks[0], model.parts.entrance)(hidden)
    for number, blocks in enumerate(rounds):
        if number and between is not None:
            hidden = between(hidden)
        for block in blocks:
            hidden = model.blocks[block](hidden, layout)
    return model.unembed(layout.select(positions).of(hidden)).unflatten(0, positions.shape)


def assert_same(one: Tensor, other: Tensor) -> None:
    torch.testing.assert_close(one, other, rtol=1e-10, atol=1e-10)


@by_architecture
@pytest.mark.parametrize(
    ("parts", "rounds"),
    [
        ({"sharing": {"kind": "blocks", "repeat": 3}}, [[0, 1], [0, 1], [0, 1]]),
        ({"sharing": {"kind": "blocks", "order": "sequence"}}, [[0, 0, 1, 1]]),
        ({"recurrence": {"kind": "fixed", "loops": 3}}, [[0, 1], [0, 1], [0, 1]]),
        ({"recurrence": {"kind": "random", "most": 5, "evaluation": 2}}, [[0, 1], [0, 1]]),
    ],
    ids=["cycle", "sequence", "fixed", "random"],
)
def test_blocks_run_in_the_order_that_is_said(plain: Any, parts: Any, rounds: Any) -> None:
    model, (tokens, positions) = build(composed(plain, **parts)), tokens_and_positions()

    assert_same(model(tokens, positions), naive(model, tokens, positions, rounds))
    assert model.layers == sum(map(len, rounds))
    assert len(model.blocks) == 2


@by_architecture
def test_a_fixed_recurrence_is_shared_blocks_in_cycle(plain: Any) -> None:
    sharing = build(composed(plain, sharing={"kind": "blocks", "repeat": 2, "reentry": 0.5}))
    recurrence = build(composed(plain, recurrence={"kind": "fixed", "loops": 2, "reentry": 0.5}))

    assert_same(sharing(*tokens_and_positions()), recurrence(*tokens_and_positions()))


@by_architecture
def test_re_entry_adds_the_embeddings_that_the_stream_resembles(plain: Any) -> None:
    model = build(composed(plain, sharing={"kind": "blocks", "reentry": 0.7}))
    tokens, positions = tokens_and_positions()
    w_vd = model.embedding.weight

    def between(h: Tensor) -> Tensor:
        rows = []
        for row in h:
            weights = torch.tensor([0.7 * float(row @ w) for w in w_vd], dtype=h.dtype).exp()
            rows.append(row + sum(weight * w for weight, w in zip(weights / weights.sum(), w_vd, strict=True)))
        return torch.stack(rows)

    with torch.no_grad():
        assert_same(model(tokens, positions), naive(model, tokens, positions, [[0, 1], [0, 1]], between))


@pytest.mark.parametrize("plain", EVERY_BLOCK[:3] + EVERY_BLOCK[4:], ids=lambda spec: spec.architecture)
def test_one_mlp_and_its_norm_serve_all_layers(plain: Any) -> None:
    model = build(composed(plain, layers=3, sharing={"kind": "mlp"}))
    separate = build(composed(plain, layers=3))
    shared = dict(model.named_parameters())
    with torch.no_grad():
        for name, weight in separate.named_parameters():
            _, _, part, *_ = [*name.split("."), "", ""]
            weight.copy_(shared[name if name in shared else name.replace(name.split(".")[1], "0", 1)])
            assert name in shared or part in model.parts.mlp

    assert_same(model(*tokens_and_positions()), separate(*tokens_and_positions()))
    assert len(shared) < len(list(separate.parameters()))


def settled(model: Any, tokens: Tensor, tolerance: float, most: int) -> tuple[Tensor, int]:
    """The stream after the loops, token by token and in Python; and how often a token was left as it was."""
    hidden, layout = model._embed(tokens, None)
    stayed = 0
    for _ in range(most):
        after = model.blocks[1](model.blocks[0](hidden, layout), layout)
        rows = []
        for old, new in zip(hidden, after, strict=True):
            moves = float((new - old).norm()) > tolerance * float(old.norm())
            stayed += not moves
            rows.append(new if moves else old)
        hidden = torch.stack(rows)
    return hidden, stayed


@pytest.mark.parametrize("tolerance", [0.2, 0.4])
@torch.no_grad()
def test_a_token_loops_until_its_stream_settles(tolerance: float) -> None:
    spec = GPT2(width=32, recurrence={"kind": "adaptive", "most": 6, "tolerance": tolerance})
    model, (tokens, positions) = build(spec, noise=0.03), tokens_and_positions()
    expected, stayed = settled(model, tokens, tolerance, 6)

    selected = Layout(*tokens.shape, tokens.device).select(positions)
    assert_same(model(tokens, positions), model.unembed(selected.of(expected)).unflatten(0, positions.shape))
    assert 0 < stayed < 6 * tokens.numel(), "some tokens must settle, and some must not"


def test_no_gradient_comes_from_a_loop_that_changed_nothing() -> None:
    spec = GPT2(width=32, recurrence={"kind": "adaptive", "most": 3, "tolerance": 1e9})
    model, asked = build(spec), questions()

    _, gradients = logits_and_gradients(model, asked.tokens, asked.positions, asked.targets)

    assert gradients["transformer.wte.weight"].any()
    assert not any(gradient.any() for name, gradient in gradients.items() if ".h." in name)


@pytest.mark.parametrize("loops", [{"kind": "random", "least": 2, "most": 5, "seed": 3}])
def test_random_loops_are_a_function_of_their_seed_and_the_step(loops: Any) -> None:
    gpt2, mamba = (build(kind(width=32, recurrence=loops)) for kind in (GPT2, Mamba))
    drawn = [gpt2.prepare(step) for step in range(400)]

    assert drawn == [mamba.prepare(step) for step in range(400)]
    assert {count: drawn.count(count) > 60 for count in set(drawn)} == {2: True, 3: True, 4: True, 5: True}
    assert drawn != [Composition.of(GPT2(recurrence={**loops, "seed": 4})).loops_at(step) for step in range(400)]


@by_architecture
def test_training_runs_the_loops_that_were_drawn_and_evaluation_those_that_are_stated(plain: Any) -> None:
    spec = composed(plain, recurrence={"kind": "random", "least": 1, "most": 4, "evaluation": 3})
    model, (tokens, positions) = build(spec), tokens_and_positions()
    step = next(step for step in range(99) if model.prepare(step) == 1)

    model.train().prepare(step)
    assert_same(model(tokens, positions), naive(model, tokens, positions, [[0, 1]]))
    model.eval()
    assert_same(model(tokens, positions), naive(model, tokens, positions, [[0, 1]] * 3))


@by_architecture
def test_zero_initialized_loops_start_as_identity(plain: Any) -> None:
    parts = {"recurrence": {"kind": "fixed", "zero_init": True}}
    model, (tokens, positions) = build(composed(plain, **parts), noise=0.0), tokens_and_positions()

    assert_same(model(tokens, positions), naive(model, tokens, positions, []))
    assert not torch.allclose(build(plain, noise=0.0)(tokens, positions), model(tokens, positions))


def naive_memory(memory: Any, kind: str, x: Tensor) -> Tensor:
    x = functional.layer_norm(x, x.shape[-1:], memory.ln.weight, memory.ln.bias)
    if kind == "mlp":
        first, second = memory.content.input, memory.content.output
        return functional.gelu(x @ first.weight.t() + first.bias, approximate="tanh") @ second.weight.t() + second.bias
    return (x @ memory.content.keys.t()).softmax(1) @ memory.content.values


@by_architecture
@pytest.mark.parametrize(
    ("kind", "place"),
    [
        ({"kind": "mlp", "width": 12}, [0, 1, 0, 1]),
        ({"kind": "mlp", "width": 12, "pairs": "neighbours"}, [0, 0, 1, 1]),
        ({"kind": "slots", "slots": 5}, [0, 1, 2, 3]),
        ({"kind": "slots", "slots": 5, "per": "model"}, [0, 0, 0, 0]),
    ],
)
def test_memory_adds_to_the_stream_what_it_returns_beside_the_mlp(plain: Any, kind: Any, place: list[int]) -> None:
    """The MLP adds the same with memory as without: both read the stream after the token mixer."""
    model = build(composed(plain, layers=4, memory=kind))
    hidden, layout = model._embed(questions().tokens, None)

    for block, number in zip(model.blocks, place, strict=True):
        without = block(hidden, layout)
        read = after_token_mixer(block, hidden, layout)
        with_memory = block(hidden, layout, None, model.memory[number])
        assert_same(with_memory - without, naive_memory(model.memory[number], kind["kind"], read))
        assert model._memory_of(int(list(model.blocks).index(block))) == (model.memory[number],)


def after_token_mixer(block: Any, hidden: Tensor, layout: Layout) -> Tensor:
    if hasattr(block, "time_mixing"):
        return hidden + block.time_mixing(block.time_norm(hidden), layout)
    return hidden + block.token_mixer(block.token_norm(hidden), layout, None)


@by_architecture
def test_memory_is_read_in_every_pass(plain: Any) -> None:
    parts = {"memory": {"kind": "slots", "slots": 5}, "sharing": {"kind": "blocks"}}
    model, (tokens, positions) = build(composed(plain, **parts)), tokens_and_positions()
    hidden, layout = model._embed(tokens, None)
    if model.parts.entrance:
        hidden = getattr(model.blocks[0], model.parts.entrance)(hidden)
    for number in (0, 1, 0, 1):
        hidden = model.blocks[number](hidden, layout, None, model.memory[number])

    expected = model.unembed(layout.select(positions).of(hidden)).unflatten(0, positions.shape)
    assert_same(model(tokens, positions), expected)


@by_architecture
def test_what_is_shared_starts_as_the_plain_model_of_these_blocks_does(plain: Any) -> None:
    """And memory as beside every other architecture: so that seeds pair."""
    parts = {"sharing": {"kind": "blocks"}, "memory": {"kind": "mlp", "width": 12}}
    models = [build(spec, noise=0.0) for spec in (plain, composed(plain, **parts), composed(GPT2(width=32), **parts))]
    start, ours, others = (dict(model.named_parameters()) for model in models)

    assert all(torch.equal(ours[name], weight) for name, weight in start.items())
    memory = [name for name in ours if name.startswith("memory.")]
    assert memory
    assert all(torch.equal(ours[name], others[name]) for name in memory)
    assert (
        build(composed(plain, **parts), noise=0.0, seed=1).memory[0].content.input.weight.sum()
        != ours["memory.0.content.input.weight"].sum()
    )


UNROLLED = {"sharing": {"kind": "blocks"}}, {"sharing": {"kind": "mlp"}}, {"recurrence": {"kind": "random"}}


@pytest.mark.parametrize("parts", UNROLLED, ids=str)
@pytest.mark.parametrize("plain", EVERY_BLOCK[:4], ids=lambda spec: spec.architecture)
def test_what_a_deeper_plain_stack_computes_opens_in_transformers(plain: Any, parts: Any, tmp_path: Any) -> None:
    from transformers import AutoModelForCausalLM

    if plain.architecture == "mamba" and parts == {"sharing": {"kind": "mlp"}}:
        pytest.skip("Mamba's blocks have no MLP")
    model: SequenceModel = build(composed(plain, **parts)).float()
    tokens, positions = tokens_and_positions()
    model.save(tmp_path)

    theirs = AutoModelForCausalLM.from_pretrained(tmp_path).eval()
    expected = theirs(tokens).logits.gather(1, positions[..., None].expand(-1, -1, VOCABULARY))
    torch.testing.assert_close(model(tokens, positions), expected, rtol=1e-4, atol=1e-4)
    assert sum(weight.numel() for weight in load_model(tmp_path).parameters()) == sum(
        weight.numel() for weight in model.parameters()
    )


def test_files_whose_copies_differ_are_refused(tmp_path: Any) -> None:
    from safetensors.torch import load_file, save_file

    build(GPT2(width=32, sharing={"kind": "blocks"})).float().save(tmp_path)
    weights = load_file(tmp_path / "model.safetensors")
    weights["transformer.h.3.attn.c_proj.bias"] += 1
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})

    with pytest.raises(ValueError, match=r"h\.3\.attn\.c_proj\.bias must equal transformer\.h\.1\.attn"):
        load_model(tmp_path)


def test_what_transformers_does_not_have_it_refuses_to_open(tmp_path: Any) -> None:
    from transformers import AutoModelForCausalLM

    build(GPT2(width=32, memory={"kind": "slots"})).float().save(tmp_path)

    with pytest.raises(ValueError, match="grokcore"):
        AutoModelForCausalLM.from_pretrained(tmp_path)
    with pytest.raises(ValueError, match="load it as fast"):
        load_model(tmp_path, "transformers")
