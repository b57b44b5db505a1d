"""The architectures there are; a new one is a file beside this, a class in `grokcore.spec.model`, and a line here."""

from __future__ import annotations

from typing import Any

from grokcore.models import deltanet, gla, gpt2, linear_attention, llama, mamba, mamba2, retnet, rwkv, rwkv6
from grokcore.models.architecture import Architecture

ARCHITECTURES: dict[str, Architecture[Any]] = {
    "gpt2": gpt2.ARCHITECTURE,
    "llama": llama.ARCHITECTURE,
    "rwkv": rwkv.ARCHITECTURE,
    "mamba": mamba.ARCHITECTURE,
    "linear_attention": linear_attention.ARCHITECTURE,
    "retnet": retnet.ARCHITECTURE,
    "gla": gla.ARCHITECTURE,
    "deltanet": deltanet.ARCHITECTURE,
    "mamba2": mamba2.ARCHITECTURE,
    "rwkv6": rwkv6.ARCHITECTURE,
}
"""By the spec's `architecture`, which is also the `model_type` in the files of a model."""
