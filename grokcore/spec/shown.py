"""Values as errors quote them."""

from __future__ import annotations

import reprlib
from typing import Any

_BRIEFLY = reprlib.Repr()
"""A few lines of YAML can name a value of billions of parts: it is never written out."""
_BRIEFLY.maxstring, _BRIEFLY.maxlong, _BRIEFLY.maxother, _BRIEFLY.maxlevel = 58, 40, 58, 3


def shown(value: Any) -> str:
    """`value` as Python writes it, in at most 60 characters; true, false and null as YAML and JSON write them."""
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    text = _BRIEFLY.repr(value)
    return text if len(text) <= 60 else f"{text[:57]}..."
