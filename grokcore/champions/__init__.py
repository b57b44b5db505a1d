"""Champions: the best experiment so far under a name, and the gate that a candidate passes to take its place.

challenger_of(records, split)     the seeds of one spec, as the gate compares them
judge(candidate, champion, rules) promote, keep or inconclusive, with the numbers and a sentence
decide(...), promote(...)         the same over a store, with a record, a history and a pointer
rollback(...)                     bring an earlier champion back
"""

from grokcore.champions.challenger import Challenger, SeedResult, Summary, challenger_of, summary_of, uris_of
from grokcore.champions.champion import decide, promote, rollback, rollback_target
from grokcore.champions.gate import (
    Failures,
    Gain,
    GateRules,
    Judgment,
    Verdict,
    judge,
    judged_split,
    parse_rules,
    rules_text,
)
from grokcore.champions.history import ChampionVersion, Decision, History, read_decision, write_decision
from grokcore.champions.retraining import compare_with_champion, resolve_retraining

__all__ = [
    "Challenger",
    "ChampionVersion",
    "Decision",
    "Failures",
    "Gain",
    "GateRules",
    "History",
    "Judgment",
    "SeedResult",
    "Summary",
    "Verdict",
    "challenger_of",
    "compare_with_champion",
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
