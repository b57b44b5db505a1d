"""Survival analysis of times to grok over seeds.

Each time is known as an interval between two evaluations, or as longer than the run. A sample is a list of `EventTime`:
`times_of(group.runs, "test_inferred_ood", "sustained")`.

    kaplan_meier(times)               share of runs that take longer, by step, with a band
    median_time, median_interval      its median, and limits of the median, from 6 runs on
    restricted_mean(times, horizon)   mean steps up to a horizon, with its limits
    delay_of(runs, split)             T_split / T_train
    compare(runs, runs, split)        two groups: ratio of times, exact p, log-rank p
    compare_pairs(runs, runs, split)  two groups, seed by seed
    effect_of(strata)                 any number of groups along a setting, within strata
"""

from grokcore.evaluation.survival.binomial import clopper_pearson
from grokcore.evaluation.survival.contrast import (
    Contrast,
    Effect,
    Observation,
    PairedContrast,
    compare,
    compare_pairs,
    effect_of,
    logrank,
    pairs_of,
    sign_test,
)
from grokcore.evaluation.survival.kaplan_meier import (
    Delay,
    Mean,
    Survival,
    common_horizon,
    delay_of,
    kaplan_meier,
    median_interval,
    median_time,
    restricted_mean,
    survival,
)
from grokcore.evaluation.survival.times import (
    TRAIN,
    Definition,
    EventTime,
    censored_after,
    ended,
    follow_up,
    potential,
    times_of,
)

__all__ = [
    "TRAIN",
    "Contrast",
    "Definition",
    "Delay",
    "Effect",
    "EventTime",
    "Mean",
    "Observation",
    "PairedContrast",
    "Survival",
    "censored_after",
    "clopper_pearson",
    "common_horizon",
    "compare",
    "compare_pairs",
    "delay_of",
    "effect_of",
    "ended",
    "follow_up",
    "kaplan_meier",
    "logrank",
    "median_interval",
    "median_time",
    "observations_of",
    "pairs_of",
    "potential",
    "restricted_mean",
    "sign_test",
    "survival",
    "times_of",
]
