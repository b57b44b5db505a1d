"""The ledger: claims of the literature, each with a test that was fixed before the runs that it is tested on."""

from __future__ import annotations

from grokcore.claims.ledger import architectures, data, inside, training

LEDGER = tuple(
    sorted(
        (
            *architectures.CLAIMS,
            *data.CLAIMS,
            *training.CLAIMS,
            *architectures.COMPOSITION,
            *architectures.VARIANTS,
            *inside.CLAIMS,
        ),
        key=lambda claim: claim.number,
    )
)

__all__ = ["LEDGER"]
