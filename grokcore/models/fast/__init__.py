"""`implementation: fast`: a backbone made for short symbolic sequences, one file per architecture.

Three things make it fast. Only what the loss depends on is computed: the last block and the head at the supervised
positions, prefixes that examples share once. All tokens are one flat list of rows, so that every projection is one
matrix product. And what lies between the products is one pass in a kernel (`kernels/`) instead of many over copies.
"""

from grokcore.models.fast import deltanet, gla, gpt2, linear_attention, llama, mamba, mamba2, retnet, rwkv, rwkv6
from grokcore.models.fast.block import FastArchitecture
from grokcore.models.fast.model import FastModel

FAST_ARCHITECTURES: dict[str, FastArchitecture] = {
    "gpt2": gpt2.FAST,
    "llama": llama.FAST,
    "rwkv": rwkv.FAST,
    "mamba": mamba.FAST,
    "linear_attention": linear_attention.FAST,
    "retnet": retnet.FAST,
    "gla": gla.FAST,
    "deltanet": deltanet.FAST,
    "mamba2": mamba2.FAST,
    "rwkv6": rwkv6.FAST,
}
"""By the spec's `architecture`."""

__all__ = ["FAST_ARCHITECTURES", "FastModel"]
