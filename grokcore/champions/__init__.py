"""Champions: the best experiment so far under a name, and the gate that a candidate passes to take its place.

contender_of(records, split)      the seeds of one spec, as the gate sees them
judge(candidate, champion, rules) promote, keep or inconclusive, with the numbers and a sentence
decide(...), promote(...)         the same over a store, with a record, a history and a pointer
rollback(...)                     bring an earlier champion back
"""

from grokcore.champions.champion import decide, promote, rollback, rollback_target
from grokcore.champions.contender import Contender, SeedResult, Summary, contender_of, summary_of, uris_of
from grokcore.champions.decision import Decision, read_decision, write_decision
from grokcore.champions.gate import Failures, Gain, Judgement, Verdict, judge
from grokcore.champions.history import Entry, History
from grokcore.champions.retraining import compare_with_champion, resolve_retraining
from grokcore.champions.rules import GateRules, judged_split, parse_rules, rules_text

__all__ = [
    "Contender",
    "Decision",
    "Entry",
    "Failures",
    "Gain",
    "GateRules",
    "History",
    "Judgement",
    "SeedResult",
    "Summary",
    "Verdict",
    "compare_with_champion",
    "contender_of",
    "decide",
    "judge",
    "judged_split",
    "parse_rules",
    "promote",
    "read_decision",
    "resolve_retraining",
    "rollback",
    "rollback_target",
    "rules_text",
    "summary_of",
    "uris_of",
    "write_decision",
]
