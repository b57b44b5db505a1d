"""Claims of the literature as executable checks over runs.

`judge(records)` holds runs (`grokcore.evaluation.records.read_records`) against the ledger. Each claim names the groups
that it is about, what is said to make the difference, a predicate with its numbers, and the conditions that it was
published under, all fixed before there are runs: `Claim.hash` covers them. The hash of a result covers the scope too:
the scale of the runs and the rules by which they were judged (`scope`).

Verdicts: *reproduced* and *refuted* of runs at the published conditions; *holds here* and *does not hold here* of
others; *underpowered*, which is what too few seeds or too short runs come to, whatever they look like: then `needs`
says what is missing; *not tested* without runs to compare.
"""

from grokcore.claims.claim import Claim
from grokcore.claims.judging import document, judge
from grokcore.claims.ledger import LEDGER
from grokcore.claims.result import ClaimResult, Claims

__all__ = ["LEDGER", "Claim", "ClaimResult", "Claims", "document", "judge"]
