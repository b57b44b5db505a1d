"""The ledger: claims of the literature, each with a check that was fixed before the runs that it is held against.

Numbers 22 to 24 are kept for claims on what grokking is worth.
"""

from __future__ import annotations

from grokcore.claims.ledger import architectures, data, training, variants

LEDGER = tuple(
    sorted(
        (*architectures.CLAIMS, *data.CLAIMS, *training.CLAIMS, *architectures.COMPOSITION, *variants.CLAIMS),
        key=lambda claim: claim.number,
    )
)

__all__ = ["LEDGER"]
