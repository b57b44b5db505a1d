"""The tables of methods in docs/acceleration.md."""

from __future__ import annotations

import re

from ci.markdown import table
from grokcore.acceleration.catalog import METHODS, Method


def methods() -> str:
    """Return the table of methods: how each is switched on, what it computes and keeps, and its source."""
    header = ("method", "switched on by", "formula", "numbers kept for a weight", "not with", "source")
    return table(header, map(_row, METHODS))


def known() -> str:
    """Return the table of what is published about each method, what to hold it against, and what goes wrong."""
    header = ("method", "published gain", "cost of a step", "controls", "known trouble")
    rows = (
        (method.title, method.headline or "none", method.cost, "; ".join(map(_code, method.controls)), method.trouble)
        for method in METHODS
    )
    return table(header, rows)


def _row(method: Method) -> tuple[str, ...]:
    switch = " ".join(map(_code, method.fields))
    refused = _code(method.refused_with) if method.refused_with else ""
    return method.title, switch, f"`{method.formula}`", method.state, refused, _link(method.source)


def _code(text: str) -> str:
    """Mark an override, or the field that a text begins with, as code."""
    field, comma, rest = text.partition(", ")
    return f"`{field}`, {rest}" if comma and "[" not in field else f"`{text}`"


def _link(source: str) -> str:
    return re.sub(r"^arXiv (\d{4}\.\d{5})", r"[\1](https://arxiv.org/abs/\1)", source)
