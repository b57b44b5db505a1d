"""Write circuits into the weights of a GPT-2, number by number.

Every token has a code of ones in some channels. Two channels hold a large constant of either sign, so that a LayerNorm
divides by nearly the same number everywhere, which its weight multiplies again: it leaves codes nearly as they are.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch

from grokcore.models import SequenceModel, build_model
from grokcore.spec.models import GPT2

WIDTH, HIDDEN, LENGTH = 128, 512, 5
CONSTANT, SHARP = 50.0, 40.0
"""The constant, and the slope of detectors and of attention."""


class Channels:
    """Hand out channels of the stream by name."""

    def __init__(self) -> None:
        self._next = 2  # the first two hold the constant
        self.of: dict[str, range] = {}

    def add(self, name: str, count: int) -> range:
        self.of[name] = range(self._next, self._next + count)
        self._next += count
        assert self._next <= WIDTH
        return self.of[name]


class Planted:
    """A GPT-2 of two blocks and two heads whose weights are all 0 until they are written."""

    def __init__(self, vocabulary_size: int) -> None:
        spec = GPT2(layers=2, width=WIDTH, heads=2, mlp_width=HIDDEN, tie_embeddings=False)
        self.model: SequenceModel = build_model(
            spec, vocabulary_size=vocabulary_size, sequence_length=LENGTH, seed=0
        ).eval()
        self.channels = Channels()
        self.positions = self.channels.add("position", LENGTH)
        self._detectors = [0, 0]
        with torch.no_grad():
            for parameter in self.model.parameters():
                parameter.zero_()
            for norm in (self.model.final_norm, *(norm for block in self.model.blocks for norm in norms(block))):
                norm.weight.fill_(CONSTANT * (2 / WIDTH) ** 0.5)
            where = self.model.position_embedding.weight
            where[:, 0], where[:, 1] = CONSTANT, -CONSTANT
            for place, channel in enumerate(self.positions):
                where[place, channel] = 1.0

    @torch.no_grad()
    def embed(self, tokens: Sequence[int], channels: range) -> None:
        """Give each token a one in its channel."""
        for token, channel in zip(tokens, channels, strict=True):
            self.model.embedding.weight[token, channel] = 1.0

    @torch.no_grad()
    def read_out(self, channels: range, tokens: Sequence[int], slope: float = 20.0) -> None:
        """Let the head read the logit of each token from its channel."""
        for token, channel in zip(tokens, channels, strict=True):
            self.model.head.weight[token, channel] = slope

    @torch.no_grad()
    def copy(self, block: int, head: int, attended: Sequence[int], source: range, into: range) -> None:
        """Let every position attend to one other, and write what is in some channels there into others here.

        Args:
            attended: the position that each position attends to, itself or an earlier one.
        """
        mixer = self.model.blocks[block].token_mixer
        weight, size = mixer.query_key_value.weight, WIDTH // 2
        query, key, value = (part * WIDTH + head * size for part in range(3))
        for place, (channel, other) in enumerate(zip(self.positions, attended, strict=False)):
            weight[query + place, channel] = SHARP
            weight[key + place, self.positions[other]] = SHARP
        for place, (read, written) in enumerate(zip(source, into, strict=True)):
            weight[value + place, read] = 1.0
            mixer.output.weight[written, head * size + place] = 1.0

    @torch.no_grad()
    def detect(self, block: int, channels: Sequence[int], write: Mapping[int, float]) -> None:
        """Add a unit to an MLP that fires where all of some channels are on, and then writes numbers into others."""
        mlp, unit = self.model.blocks[block].channel_mixer, self._detectors[block]
        self._detectors[block] += 1
        mlp.input.weight[unit, list(channels)] = SHARP
        mlp.input.bias[unit] = -SHARP * (len(channels) - 0.5)
        for channel, number in write.items():
            mlp.output.weight[channel, unit] = number / (SHARP / 2)


def norms(block: torch.nn.Module) -> tuple[torch.nn.LayerNorm, torch.nn.LayerNorm]:
    return block.token_norm, block.channel_norm
