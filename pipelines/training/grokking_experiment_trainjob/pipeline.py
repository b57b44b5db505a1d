from typing import Any

from kfp import dsl

from components.images import TRAINER
from components.training.train_model_trainjob import train_model_trainjob
from grokcore.kfp import LAUNCHER, configure, launch_trainjobs
from pipelines.experiment import add_experiment
from pipelines.reported import reported_pipeline


@reported_pipeline("grokking-experiment-trainjob")
def grokking_experiment_trainjob(
    preset: str = "demo",
    overrides: str = "",
    seed: int = 0,
    run_key: str = "",
    store: str = "",
    resume: str = "auto",
    nodes: str = "1",
    gpu_type: str = "nvidia.com/gpu",
    gpu_count: str = "auto",
    cpu_limit: str = "4",
    memory_limit: str = "16Gi",
    node_selector: dict = {},  # noqa: B006 - the default of a form's field
    tolerations: list = [],  # noqa: B006
    queue: str = "",
    runtime: str = "grokcore-deepspeed",
    compare_run_uris: list = [],  # noqa: B006
    analyze: bool = False,
    schedule: str = "",
):
    """Train one small model far past overfitting in a TrainJob on one or several nodes, and report whether it grokked.

    As grokking_experiment, but trained by Kubeflow Trainer, which restarts pods after the loss of a node, gives them
    time to save, and supports queues of Kueue.

    Args:
        preset: Name of a preset such as demo, modular or thesis, or a whole specification as YAML or JSON.
        overrides: Changes to the preset, separated by spaces: model.architecture=llama training.max_steps=200000
        seed: Seed of initialization and batch order. 0 keeps the seed of the specification, which is 0 in every preset.
        run_key: Key under which this run is kept. Submit again with the same key to resume it. Empty takes the id of
            the Kubeflow run.
        store: URI under which runs are kept; every pod must have access. Empty takes the ConfigMap grokcore.
        resume: auto resumes from the last checkpoint, if any; never refuses an existing run; require needs one.
        nodes: Number of pods that train together, as text.
        gpu_type: Resource name of the accelerator.
        gpu_count: Number of accelerators of each node, as text. auto: 1 if the experiment needs one, else 0, which
            trains on the CPU.
        cpu_limit: Processors of each node, as text.
        memory_limit: Memory of each node, as text.
        node_selector: Labels of the nodes to train on, for example {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
        tolerations: Taints that the training tolerates, as a list of Kubernetes tolerations.
        queue: LocalQueue of Kueue to wait in. Empty takes the ConfigMap grokcore of the namespace, else none.
        runtime: TrainingRuntime of the namespace for the job.
        compare_run_uris: URIs of finished runs in the same store, or on S3, to show beside this one in the report.
        analyze: Whether to analyze afterwards what the model has learnt inside, at the checkpoints where a phase began,
            and to report again with it.
        schedule: Name of the schedule that starts this run, by which monitoring tells runs apart. Set by grokcore
            pipeline schedule; empty for a run by hand.
    """

    def train(**inputs: Any) -> dsl.PipelineTask:
        launcher = train_model_trainjob(
            store=store,
            run_key=run_key,
            resume=resume,
            nodes=nodes,
            gpu_type=gpu_type,
            cpu_limit=cpu_limit,
            memory_limit=memory_limit,
            node_selector=node_selector,
            tolerations=tolerations,
            queue=queue,
            runtime=runtime,
            image=TRAINER,
            **inputs,
        )
        configure(launcher, LAUNCHER)  # the store keeps finished work, and the job work in progress
        return launch_trainjobs(launcher)

    add_experiment(
        "grokking-experiment-trainjob",
        train,
        preset=preset,
        overrides=overrides,
        seed=seed,
        gpu_count=gpu_count,
        nodes=nodes,
        compare_run_uris=compare_run_uris,
        analyze=analyze,
        schedule=schedule,
    )
