"""Surrogates in escaped text."""

from __future__ import annotations

import re

_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def characters(text: str) -> str:
    """Join surrogate pairs, by which JSON escapes an emoji, to characters.

    Raises:
        ValueError: a lone surrogate, which cannot be encoded.
    """
    if _SURROGATE.search(text) is None:
        return text
    joined = _PAIR.sub(lambda pair: pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le"), text)
    alone = _SURROGATE.search(joined)
    if alone is not None:
        raise ValueError(f"\\u{ord(alone[0]):04x} is a lone surrogate, half of a character")
    return joined
