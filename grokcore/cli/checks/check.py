"""One row of what `grokcore doctor` shows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Check:
    """What was looked at and found.

    Attributes:
        verdict: ok; absent, which only some uses need; or failed, which somebody has asked for and does not work.
        remark: what it means, or what would help.
    """

    name: str
    found: str
    remark: str = ""
    verdict: Literal["ok", "absent", "failed"] = "ok"
