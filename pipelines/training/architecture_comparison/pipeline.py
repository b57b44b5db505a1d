from pipelines.reported import reported_pipeline
from pipelines.sweep import train_and_compare


@reported_pipeline("architecture-comparison")
def architecture_comparison(
    sweep: str = "architectures-small",
    architectures: list = ["gpt2", "llama", "rwkv", "mamba"],  # noqa: B006 - the default of a form's field
    overrides: str = "",
    seeds: str = "",
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
    """Train architectures on the same data under the same conditions, and compare which groks, when, and how surely.

    Args:
        sweep: Name of a sweep preset over architectures: architectures (the thesis' conditions) or architectures-small
            (minutes on a CPU); or a whole sweep as YAML or JSON.
        architectures: Architectures of the sweep to compare. Empty takes all.
        overrides: Changes to the base experiment, separated by spaces: training.max_steps=200000 task.values=10
        seeds: Seeds of each architecture, for example 0..4 or 0,3,5. Empty takes those of the sweep.
        run_key: Key under which the runs are kept. Submit again with the same key to resume them. Empty takes the id of
            the Kubeflow run.
        store: URI under which runs are kept. Empty takes the ConfigMap grokcore of the namespace, else the artifacts.
        gpu_type: Resource name of the accelerator.
        gpu_count: Number of accelerators of each architecture, as text. auto: 1 for a point that
            needs one, else 0, which trains on the CPU.
        cpu_limit: Processors of each training, as text.
        memory_limit: Memory of each training, as text.
        node_selector: Labels of the nodes to train on, for example {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
        tolerations: Taints that the trainings tolerate, as a list of Kubernetes tolerations.
        schedule: Name of the schedule that starts this run, by which monitoring tells runs apart. Set by grokcore
            pipeline schedule; empty for a run by hand.
    """
    train_and_compare(
        "architecture-comparison",
        sweep=sweep,
        overrides=overrides,
        seeds=seeds,
        only=architectures,
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
