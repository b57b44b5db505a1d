"""What tasks share that can be made from a user's own facts."""

from __future__ import annotations

from typing import Any

from grokcore.spec.base import added_later


def given_facts() -> Any:
    """The field that names facts by their content, so that a spec still decides its data."""
    return added_later(
        None,
        pattern="^[0-9a-f]{64}$",
        description="SHA-256 of a user's own facts, which `grokcore generate --from` sets; null: facts are drawn",
    )
