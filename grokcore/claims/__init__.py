"""Claims of the literature as executable checks over runs.

`judge(records)` holds runs (`grokcore.evaluation.records.read_records`) against the ledger. Each claim names the groups
that it is about, what is said to make the difference, and a predicate with its numbers, all fixed before there are
runs: `Claim.hash` covers them, and stands in every result.

Verdicts: *reproduced*, *refuted*, or *underpowered*, which is what too few seeds or too short runs come to, whatever
they look like; then `needs` says what is missing.
"""

from grokcore.claims.claim import Claim
from grokcore.claims.judging import document, judge
from grokcore.claims.ledger import LEDGER
from grokcore.claims.result import ClaimResult, Claims

__all__ = ["LEDGER", "Claim", "ClaimResult", "Claims", "document", "judge"]
