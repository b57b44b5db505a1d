"""Escapes that name no character."""

from __future__ import annotations

import re

_PAIR = re.compile("[\ud800-\udbff][\udc00-\udfff]")
_SURROGATE = re.compile("[\ud800-\udfff]")


def characters(text: str) -> str:
    """`text` with each surrogate pair, as JSON escapes an emoji, as the one character that it stands for.

    Raises:
        ValueError: half of a pair stands alone, which no encoding has.
    """
    if _SURROGATE.search(text) is None:
        return text
    joined = _PAIR.sub(lambda pair: pair[0].encode("utf-16-le", "surrogatepass").decode("utf-16-le"), text)
    alone = _SURROGATE.search(joined)
    if alone is not None:
        raise ValueError(f"\\u{ord(alone[0]):04x} is half of a character and stands alone")
    return joined
