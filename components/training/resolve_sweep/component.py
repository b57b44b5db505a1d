from kfp import dsl

from components.images import RUNTIME


@dsl.component(base_image=RUNTIME, install_kfp_package=False)
def resolve_sweep(
    sweep: str,
    overrides: str = "",
    seeds: str = "",
    only: list = [],  # noqa: B006 - Kubeflow wants a value, and never changes it
    most: int = 30,
    gpu_count: str = "",
) -> list:
    """Validate a sweep before any expensive step, and list its points for a ParallelFor, packed where they are many.

    Never retried, since a wrong specification stays wrong. A precision of "auto" is resolved here, on a node without a
    GPU: set the precision explicitly to train on a GPU.

    Args:
        sweep: Name of a sweep preset such as architectures, or a whole sweep as YAML or JSON. Never a path.
        overrides: Changes to the base experiment, separated by spaces, for example "training.max_steps=20000".
        seeds: Seeds of each point, for example 0..4 or 0,3,5. Empty takes those of the sweep.
        only: Names of the points to keep, or the values in them such as gpt2. Empty keeps all.
        most: Maximum number of items; a larger loop stalls a workflow.
        gpu_count: Number of GPUs of each point, as text, which its item repeats. auto: what suits the point.

    Returns:
        One item per point, with the keys sweep and point (names), spec and task_spec (JSON), seeds and gpu_count
        (text). Of more points than `most`, each item packs several, which generate_dataset, train_seeds and
        evaluate_runs take alike.
    """
    from grokcore.spec import split_overrides
    from grokcore.stage import stage
    from grokcore.sweeps import loop_items

    with stage("resolve"):
        return loop_items(
            sweep, split_overrides(overrides), seeds=seeds, only=only, most=int(most), gpu_count=gpu_count, notify=print
        )
