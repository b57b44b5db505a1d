import math

from grokcore.runs.artifacts import evaluation_scalars, run_scalars

LINE = {
    "step": 200,
    "train": {"accuracy": 0.9, "loss": None},
    "splits": {"test": {"accuracy": 0.5, "loss": math.nan}, "other": {"accuracy": math.inf, "loss": 1.5}},
    "phases": {"memorized": 100, "test": {"onset": 150, "sustained": None, "collapsed": None}},
}


def test_a_run_gives_accuracies_and_the_phases_it_has_reached():
    scalars = run_scalars(LINE)
    assert scalars == {
        "step": 200,
        "memorized_step": 100,
        "test_onset_step": 150,
        "train_accuracy": 0.9,
        "test_accuracy": 0.5,
        "other_loss": 1.5,
        "nonfinite": 3,
    }


def test_an_evaluation_gives_times_where_they_are_not_censored():
    evaluation = {
        "step": 60,
        "train": {"accuracy": 1.0, "loss": 0.1},
        "splits": {"test": {"accuracy": None, "loss": None, "majority_baseline": 0.3}},
        "memorized": {"first_crossing": {"steps": 20}, "sustained": None, "stable": None},
        "held_out": {"test": {"ratio": 6.0, "first_crossing": {"steps": 40}, "sustained": None, "stable": None}},
    }
    assert evaluation_scalars(evaluation) == {
        "train_accuracy": 1.0,
        "test_majority_baseline": 0.3,
        "step": 60,
        "memorized_first_crossing_steps": 20,
        "test_first_crossing_steps": 40,
        "test_ratio": 6.0,
        "nonfinite": 1,
    }
