"""The ledger: claims of the literature, each with a test that was fixed before the runs that it is tested on.

Numbers 22 to 24 are kept for claims on what grokking is worth.
"""

from __future__ import annotations

from grokcore.claims.ledger import architectures, data, training

LEDGER = tuple(
    sorted(
        (*architectures.CLAIMS, *data.CLAIMS, *training.CLAIMS, *architectures.COMPOSITION, *architectures.VARIANTS),
        key=lambda claim: claim.number,
    )
)

__all__ = ["LEDGER"]
