"""Claims of the literature as executable checks over runs.

`judge(records)` tests the claims of the ledger on runs (`grokcore.evaluation.records.read_records`). Each claim names
the groups that it is about, the factor that is claimed to have an effect, a predicate with its numbers, and the
conditions under which it was published, all fixed before there are runs: `Claim.hash` covers them. The hash of a result
covers the scope too: the scale of the runs and the rules of evaluation (`scope`).

A claim that runs *grok* asks for sustained accuracy, delayed by a factor of 2 or more against the training set, at the
threshold of the runs' evaluation.

Verdicts: *reproduced* and *refuted* for runs at the published conditions; *holds here* and *does not hold here* for
others; *underpowered* for too few seeds or too short runs, whatever their outcomes, with the runs that are missing in
`needs`; *not tested* without runs to compare.
"""

from grokcore.claims.claim import Claim
from grokcore.claims.judging import document, judge
from grokcore.claims.ledger import LEDGER
from grokcore.claims.result import ClaimResult, Claims

__all__ = ["LEDGER", "Claim", "ClaimResult", "Claims", "document", "judge"]
