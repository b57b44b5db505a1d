"""The ledger: claims of the literature, each with a check that was fixed before the runs that it is held against.

Numbers 21 to 24 are kept for claims on shared parameters and on what grokking is worth.
"""

from __future__ import annotations

from grokcore.claims.ledger import architectures, data, training

LEDGER = tuple(
    sorted(
        (*architectures.CLAIMS, *data.CLAIMS, *training.CLAIMS, *architectures.COMPOSITION),
        key=lambda claim: claim.number,
    )
)

__all__ = ["LEDGER"]
