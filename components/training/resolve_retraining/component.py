from typing import NamedTuple

from kfp import dsl

from components.images import RUNTIME


@dsl.component(base_image=RUNTIME, install_kfp_package=False)
def resolve_retraining(
    preset: str,
    overrides: str = "",
    seeds: str = "0..4",
    champion: str = "default",
    store: str = "",
    split: str = "",
    minimum_time_gain: float = 0.1,
    minimum_accuracy_gain: float = 0.02,
    time_margin: float = 0.1,
    accuracy_margin: float = 0.01,
    confidence: float = 0.95,
    minimum_seeds: int = 5,
    failing_margin: float = 0.6,
    minimum_reached: float = 0.8,
) -> NamedTuple("Retraining", [("spec", str), ("task", str), ("dataset_id", str), ("gate", str)]):
    """Validate a retraining before anything is spent on it, the gate and the champion included.

    A candidate that could never be promoted, since it cannot be compared with the champion or has too few seeds, is
    refused here. Never retried: what is wrong with a specification stays wrong. A precision of "auto" is decided here,
    on a node without a GPU: name the precision where the training is to run on one.

    Args:
        preset: Name of a preset, or a whole specification as YAML or JSON. Never a path.
        overrides: Changes to single fields, separated by blanks, for example "model.layers=4 task.entities=400".
        seeds: Seeds of initialisation and order, as in 0..4 or 0,3,5.
        champion: Name of the champion to run against.
        store: URI of the store that the champion lies in. Empty takes GROKCORE_STORE.
        split: Held-out split that is judged. Empty takes the task's last, the one it is about.
        minimum_time_gain: Share of the champion's steps to grok that a faster candidate saves at least.
        minimum_accuracy_gain: Final accuracy that a more accurate candidate has above the champion's at least.
        time_margin: Share of the champion's steps that a more accurate candidate may take longer.
        accuracy_margin: Final accuracy that a faster candidate may lose.
        confidence: Of the intervals that have to lie beyond these bounds.
        minimum_seeds: Seeds of each side, at least 5, below which nothing is decided.
        failing_margin: Share by which more of its seeds may fail than of the champion's. 5 seeds exclude .53 at best.
        minimum_reached: Share of its seeds that have to grok for a candidate to be the first champion.

    Returns:
        spec: The whole specification as JSON, with nothing left to choose.
        task: The part of it that makes the data, as JSON.
        dataset_id: Identity of the data.
        gate: The rules of the gate as JSON, for compare_with_champion.
    """
    from grokcore import champions
    from grokcore.stage import stage

    rules = {
        "split": split,
        "minimum_time_gain": minimum_time_gain,
        "minimum_accuracy_gain": minimum_accuracy_gain,
        "time_margin": time_margin,
        "accuracy_margin": accuracy_margin,
        "confidence": confidence,
        "minimum_seeds": minimum_seeds,
        "failing_margin": failing_margin,
        "minimum_reached": minimum_reached,
    }
    with stage("resolve"):
        spec, gate = champions.resolve_retraining(preset, overrides, seeds, champion, store, rules, notify=print)
    return (spec.model_dump_json(), spec.task.model_dump_json(), spec.dataset_id, champions.rules_text(gate))
