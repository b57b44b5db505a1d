from pipelines.reported import reported_pipeline
from pipelines.sweep import train_and_compare


@reported_pipeline("parameter-sweep")
def parameter_sweep(
    sweep: str = "values-small",
    overrides: str = "",
    seeds: str = "",
    only: list = [],  # noqa: B006 - the default of a form's field
    run_key: str = "",
    store: str = "",
    gpu_type: str = "nvidia.com/gpu",
    gpu_count: str = "auto",
    cpu_limit: str = "4",
    memory_limit: str = "16Gi",
    node_selector: dict = {},  # noqa: B006
    tolerations: list = [],  # noqa: B006
    schedule: str = "",
):
    """Train every point of a sweep with several seeds, and compare when, and how surely, each generalizes.

    Args:
        sweep: Name of a sweep preset such as values, depth or weight-decay, or a whole sweep as YAML or JSON.
        overrides: Changes to the base experiment, separated by spaces: training.max_steps=200000 model.layers=4
        seeds: Seeds of each point, for example 0..4 or 0,3,5. Empty takes those of the sweep.
        only: Names of the points to train, for example ["values=10", "values=40"]. Empty trains all.
        run_key: Key under which the runs are kept. Submit again with the same key to resume them. Empty takes the id of
            the Kubeflow run.
        store: URI under which runs are kept. Empty takes the ConfigMap grokcore of the namespace, else the artifacts.
        gpu_type: Resource name of the accelerator.
        gpu_count: Number of accelerators of each point, as text. auto: 1 for a point that
            needs one, else 0, which trains on the CPU.
        cpu_limit: Processors of each training, as text.
        memory_limit: Memory of each training, as text.
        node_selector: Labels of the nodes to train on, for example {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
        tolerations: Taints that the trainings tolerate, as a list of Kubernetes tolerations.
        schedule: Name of the schedule that starts this run, by which monitoring tells runs apart. Set by grokcore
            pipeline schedule; empty for a run by hand.
    """
    train_and_compare(
        "parameter-sweep",
        sweep=sweep,
        overrides=overrides,
        seeds=seeds,
        only=only,
        store=store,
        run_key=run_key,
        gpu_type=gpu_type,
        gpu_count=gpu_count,
        cpu_limit=cpu_limit,
        memory_limit=memory_limit,
        node_selector=node_selector,
        tolerations=tolerations,
        schedule=schedule,
    )
