"""The block: a token mixer and a channel mixer on the residual stream."""

from __future__ import annotations

from torch import Tensor, nn

from grokcore.models.fast.layout import Chosen, Layout


class Block(nn.Module):
    """x <- x + token_mixer(norm(x));  x <- x + channel_mixer(norm(x)), the second where the architecture has one.

    A memory (`grokcore/models/fast/memory.py`) adds to the stream beside the channel mixer: both read the same x.

    Args:
        token_mixer: (x (N, D), layout, chosen) -> (N, D), or (B * P, D) for the chosen tokens.
        channel_mixer: (N, D) -> (N, D), each token for itself.
        dropout: of what a mixer adds to the stream.
    """

    def __init__(
        self,
        token_norm: nn.Module,
        token_mixer: nn.Module,
        channel_norm: nn.Module | None = None,
        channel_mixer: nn.Module | None = None,
        dropout: nn.Module | None = None,
    ) -> None:
        super().__init__()
        self.token_norm, self.token_mixer = token_norm, token_mixer
        self.channel_norm, self.channel_mixer = channel_norm, channel_mixer
        self.dropout = dropout or nn.Identity()

    def forward(
        self, hidden: Tensor, layout: Layout, chosen: Chosen | None = None, memory: nn.Module | None = None
    ) -> Tensor:
        """The stream after this block: of all tokens, or of the chosen ones, which is all that the last block owes."""
        mixed: Tensor = self.dropout(self.token_mixer(self.token_norm(hidden), layout, chosen))
        hidden = (hidden if chosen is None else chosen.of(hidden)) + mixed
        remembered = None if memory is None else self.dropout(memory(hidden))
        if self.channel_mixer is not None and self.channel_norm is not None:
            mixed = self.dropout(self.channel_mixer(self.channel_norm(hidden)))
            hidden = hidden + mixed
        return hidden if remembered is None else hidden + remembered
