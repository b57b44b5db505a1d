"""The architectures there are; a new one is a file beside this, a class in `grokcore.spec.model`, and a line here."""

from __future__ import annotations

from typing import Any

from grokcore.models import gpt2, llama, mamba, rwkv
from grokcore.models.architecture import Architecture

ARCHITECTURES: dict[str, Architecture[Any]] = {
    "gpt2": gpt2.ARCHITECTURE,
    "llama": llama.ARCHITECTURE,
    "rwkv": rwkv.ARCHITECTURE,
    "mamba": mamba.ARCHITECTURE,
}
"""By the spec's `architecture`, which is also the `model_type` in the files that transformers writes."""
