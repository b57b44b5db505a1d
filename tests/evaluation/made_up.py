"""Evaluations of runs that never were."""

from __future__ import annotations

from grokcore.evaluation import Evaluation


def evaluation(sustained: int | None, accuracy: float) -> Evaluation:
    """Of a run of 900 steps that memorised when it grokked `test`, at step `sustained`, or did neither."""
    time = {"steps": sustained, "after": 0, "epochs": 0, "examples": 0, "flops": 0, "seconds": 0}
    reached = dict.fromkeys(("first_crossing", "sustained", "stable"), time if sustained else None)
    result = {"role": "held_out", "accuracy": accuracy, "loss": 0.1, "examples": 9, "majority_baseline": 0.1}
    verdict = {"verdict": "grokked" if sustained else "censored", "ratio": None, "onset": None, "collapsed": None}
    return Evaluation.model_validate(
        {
            "run_id": "0",
            "evaluation_id": "0",
            "step": 900,
            "threshold": 0.99,
            "censored_at": 900,
            "train": {"accuracy": 1.0, "loss": 0.0},
            "splits": {"test": result},
            "memorized": reached,
            "held_out": {"test": {**reached, **verdict}},
            "diverged": False,
            "exit_reason": "budget_steps",
        }
    )
