"""The evaluations whose checkpoints are worth keeping."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def new_phases(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """What has become known since the line before: `memorized`, or a held-out split's name with .onset or .grokked."""
    found = ["memorized"] if now["memorized"] is not None and before.get("memorized") is None else []
    for split, phases in now.items():
        if split != "memorized":
            known = before.get(split, {})
            found += [
                f"{split}.{name}"
                for name in ("onset", "grokked")
                if phases[name] is not None and known.get(name) is None
            ]
    return found
