"""At initialization every norm normalizes: what enters it varies by far more than its epsilon."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from grokcore.models import ARCHITECTURES, build_model
from grokcore.models.fast.retnet import Retention
from grokcore.spec import load_spec

PRESETS = ("demo", "modular", "thesis")
"""Widths 64, 128 and 768; all presets that architectures are compared in have one of these."""
VOCABULARY, TOKENS = 250, 6
SMALL_EMBEDDINGS = {"rwkv", "rwkv6"}
"""Their embeddings begin within 1e-4, in the original code too, so that the norm behind them starts as a factor."""

Ratios = list[tuple[str, float]]


@contextmanager
def watched_norms(monkeypatch: pytest.MonkeyPatch) -> Iterator[Ratios]:
    """Every call of a norm, and the median over its rows of variance (or mean square) / epsilon."""
    ratios: Ratios = []
    layer_norm, rms_norm = functional.layer_norm, functional.rms_norm

    def watched_layer_norm(x: Tensor, shape: object, weight: object = None, bias: object = None, eps: float = 1e-5):  # type: ignore[no-untyped-def]
        ratios.append(("layer norm", x.detach().double().var(-1, unbiased=False).median().item() / eps))
        return layer_norm(x, shape, weight, bias, eps)  # type: ignore[arg-type]

    def watched_rms_norm(x: Tensor, shape: object, weight: object = None, eps: float | None = None):  # type: ignore[no-untyped-def]
        assert eps is not None
        ratios.append(("RMS norm", x.detach().double().square().mean(-1).median().item() / eps))
        return rms_norm(x, shape, weight, eps)  # type: ignore[arg-type]

    monkeypatch.setattr(functional, "layer_norm", watched_layer_norm)
    monkeypatch.setattr(functional, "rms_norm", watched_rms_norm)
    monkeypatch.setattr("grokcore.models.fast.layers.kernels_for", lambda x: None)
    yield ratios


def random_batch() -> tuple[Tensor, Tensor]:
    tokens = torch.randint(VOCABULARY, (64, TOKENS), generator=torch.Generator().manual_seed(0))
    return tokens, torch.arange(TOKENS).expand(64, TOKENS)


@pytest.mark.parametrize("init", ["published", "original"])
@pytest.mark.parametrize("preset", PRESETS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_no_norm_is_dominated_by_its_epsilon(
    architecture: str, preset: str, init: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = load_spec(preset, [f"model.architecture={architecture}", f"model.init={init}", "model.layers=2"])
    model = build_model(spec.model, vocabulary_size=VOCABULARY, sequence_length=TOKENS, seed=0)
    with torch.no_grad(), watched_norms(monkeypatch) as ratios:
        model(*random_batch())
    assert len(ratios) >= 3  # before each block at least, and before the head
    if architecture in SMALL_EMBEDDINGS:
        assert ratios.pop(0)[1] < 0.01
    assert min(ratio for _, ratio in ratios) >= 10, ratios


VARIANTS = {
    "shared blocks": "model.sharing={kind: blocks, repeat: 2}",
    "loops": "model.recurrence={kind: fixed, loops: 3}",
    "memory": "model.memory={kind: mlp}",
    "slots": "model.memory={kind: slots}",
}


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_no_norm_of_a_composed_model_is(architecture: str, variant: str, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = load_spec("demo", [f"model.architecture={architecture}", "model.layers=2", VARIANTS[variant]])
    model = build_model(spec.model, vocabulary_size=VOCABULARY, sequence_length=TOKENS, seed=0)
    with torch.no_grad(), watched_norms(monkeypatch) as ratios:
        model(*random_batch())
    assert min(ratio for _, ratio in ratios[architecture in SMALL_EMBEDDINGS :]) >= 10, ratios


def normalized_scores(mixer: Retention, x: Tensor) -> Tensor:
    """Retention with every factor of arXiv 2307.08621, section 2.3, of one sequence x (T, D), in its own notation."""
    width, heads = mixer.width, mixer.heads
    size, tokens = width // heads, len(x)
    positions = torch.arange(tokens)
    query, gate = mixer.rotation(mixer.query_gate(x).clone(), positions, width).split((width, 2 * width), 1)
    key, value = mixer.rotation(mixer.key_value(x).clone(), positions, width).split((width, 2 * width), 1)
    q, k, v = (part.unflatten(1, (heads, -1)).transpose(0, 1) for part in (query, key, value))
    gamma = 1 - 2.0 ** (-5 - torch.arange(heads, dtype=x.dtype))
    distance = (positions[:, None] - positions).to(x.dtype)
    d = torch.where(distance >= 0, gamma[:, None, None] ** distance.clamp_min(0), 0.0)
    d = d / d.sum(-1, keepdim=True).sqrt()
    scores = q @ k.transpose(1, 2) / size**0.5 * d
    scores = scores / scores.sum(-1, keepdim=True).abs().clamp_min(1)
    heads_thv = functional.layer_norm((scores @ v).transpose(0, 1), (2 * size,), eps=mixer.epsilon)
    normalized: Tensor = mixer.output(functional.silu(gate) * heads_thv.flatten(1))
    return normalized


@pytest.mark.parametrize(("scale", "difference"), [(1.0, 0.15), (10.0, 1e-3)])
def test_the_score_normalization_of_retnet_cancels_in_the_norm_but_for_its_epsilon(
    scale: float, difference: float
) -> None:
    """At the initial weights it is worth some percent of the mixer's output, with ten times as large ones nothing."""
    from grokcore.models.fast.layout import Layout

    spec = load_spec("demo", ["model.architecture=retnet"])
    model = build_model(spec.model, vocabulary_size=VOCABULARY, sequence_length=TOKENS, seed=0).double()
    mixer = copy.deepcopy(model.blocks[0].token_mixer)
    x = torch.randn(TOKENS, mixer.width, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    with torch.no_grad():
        mixer.query_gate.weight[: mixer.width] *= scale
        mixer.key_value.weight[: mixer.width] *= scale
        ours = mixer(x, Layout(1, TOKENS, x.device), None)
        theirs = normalized_scores(mixer, x)
    assert ((ours - theirs).norm() / theirs.norm()).item() < difference
