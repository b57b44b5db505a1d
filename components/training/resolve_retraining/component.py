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
    new_seeds: int = 0,
    run_key: str = "",
    gpu_count: str = "",
) -> NamedTuple(
    "Retraining",
    [("spec", str), ("task", str), ("dataset_id", str), ("gate", str), ("seeds", str), ("gpu_count", str)],
):
    """Validate a retraining, its gate and the champion before any expensive step.

    A candidate that could never be promoted is refused: one that is not comparable with the champion, has too few
    seeds, was rolled back, or whose very runs were trained and judged before. Never retried, since a wrong
    specification stays wrong. A precision of "auto" is resolved here, on a node without a GPU: set the precision
    explicitly to train on a GPU.

    Args:
        preset: Name of a preset, or a whole specification as YAML or JSON. Never a path.
        overrides: Changes to single fields, separated by spaces, for example "model.layers=4 task.entities=400".
        seeds: Seeds of initialization and batch order, for example 0..4 or 0,3,5.
        champion: Name of the champion to compare with.
        store: URI of the champion's store. Empty takes GROKCORE_STORE.
        split: Held-out split to compare on. Empty takes the task's last, the one it is about.
        minimum_time_gain: Minimum share of the champion's steps to grok that a faster candidate must save.
        minimum_accuracy_gain: Minimum gain in final accuracy of a more accurate candidate.
        time_margin: Share of the champion's steps by which a more accurate candidate may be slower.
        accuracy_margin: Loss in final accuracy that a faster candidate may have.
        confidence: Confidence of the intervals that must lie beyond these bounds.
        minimum_seeds: Minimum number of seeds of each side, at least 5, for a decision.
        failing_margin: Margin by which the share of failing seeds may exceed the champion's. 5 seeds exclude .53.
        minimum_reached: Minimum share of seeds that must grok for the first champion.
        new_seeds: Number of seeds to draw from the run key, in place of `seeds`; 0 draws none.
        run_key: The `run_key` of compare_with_champion, validated here before anything is trained. Empty takes
            GROKCORE_RUN_KEY.
        gpu_count: Number of GPUs of the training, as text. auto: what suits the experiment.

    Returns:
        spec: The resolved specification as JSON.
        task: Its task as JSON, which determines the dataset.
        dataset_id: Identity of the dataset.
        gate: Rules of the gate as JSON, for compare_with_champion.
        seeds: The seeds to train, those given or those drawn, for train_seeds.
        gpu_count: Number of GPUs to request, as text: the input, or what suits the experiment.
    """
    from grokcore import champions
    from grokcore.spec.hardware import gpus_for
    from grokcore.stage import stage
    from grokcore.storage.layout import default_key, retraining_uri

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
        if default_key(run_key):  # otherwise compare_with_champion takes the pipeline run's id
            retraining_uri(store, champion, run_key)
        found = champions.resolve_retraining(
            preset,
            overrides,
            seeds,
            champion,
            store,
            rules,
            new_seeds=int(new_seeds),
            run_key=run_key,
            notify=print,
        )
        spec, gpus = found.spec, gpus_for(found.spec, gpu_count)
    task = spec.task.model_dump_json()
    return (spec.model_dump_json(), task, spec.dataset_id, champions.rules_text(found.gate), found.seeds, gpus)
