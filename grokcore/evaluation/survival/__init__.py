"""Times to grok over seeds: how long, how surely, and whether one group takes longer than another.

Each is known as an interval between two evaluations, or as longer than the run. A sample is a list of `Reached`:
`times_of(group.runs, "test_inferred_ood", "sustained")`.

    kaplan_meier(times)               share of runs that take longer, by step, with a band
    median_time, median_interval      its median, and the limits of that, from 6 runs on
    restricted_mean(times, horizon)   mean steps up to a horizon, with its limits
    delay_of(runs, split)             T_split / T_train
    compare(runs, runs, split)        two groups: ratio of times, exact p, log-rank p
    compare_pairs(runs, runs, split)  two groups, seed by seed
    effect_of(strata)                 any number of groups along a setting, within strata
"""

from grokcore.evaluation.survival.binomial import clopper_pearson
from grokcore.evaluation.survival.contrast import Contrast, Effect, Timed, compare, effect_of, logrank, timed
from grokcore.evaluation.survival.delay import Delay, delay_of
from grokcore.evaluation.survival.kaplan_meier import Survival, kaplan_meier, median_interval, median_time, survival
from grokcore.evaluation.survival.paired import Paired, compare_pairs, pairs_of, sign_test
from grokcore.evaluation.survival.restricted_mean import Mean, common_horizon, restricted_mean
from grokcore.evaluation.survival.times import TRAIN, Definition, Reached, cut, ended, follow_up, potential, times_of

__all__ = [
    "TRAIN",
    "Contrast",
    "Definition",
    "Delay",
    "Effect",
    "Mean",
    "Paired",
    "Reached",
    "Survival",
    "Timed",
    "clopper_pearson",
    "common_horizon",
    "compare",
    "compare_pairs",
    "cut",
    "delay_of",
    "effect_of",
    "ended",
    "follow_up",
    "kaplan_meier",
    "logrank",
    "median_interval",
    "median_time",
    "pairs_of",
    "potential",
    "restricted_mean",
    "sign_test",
    "survival",
    "timed",
    "times_of",
]
