from kfp import dsl

from components.data_processing.generate_dataset import generate_dataset
from components.evaluation.compare_with_champion import compare_with_champion
from components.evaluation.evaluate_runs import evaluate_runs
from components.training.promote_champion import promote_champion
from components.training.resolve_retraining import resolve_retraining
from components.training.train_seeds import train_seeds
from grokcore.kfp import LIGHT, VALIDATION, announce, configure, configure_training, connect_store
from pipelines.reported import reported_pipeline

NAME = "scheduled-retraining"


@reported_pipeline(NAME, told_apart_by="champion")
def scheduled_retraining(
    preset: str = "comparison-small",
    overrides: str = "",
    seeds: str = "0..4",
    new_seeds: int = 0,
    champion: str = "default",
    split: str = "",
    minimum_time_gain: float = 0.1,
    minimum_accuracy_gain: float = 0.02,
    time_margin: float = 0.1,
    accuracy_margin: float = 0.01,
    confidence: float = 0.95,
    minimum_seeds: int = 5,
    failing_margin: float = 0.6,
    minimum_reached: float = 0.8,
    run_key: str = "",
    store: str = "",
    resume: str = "auto",
    gpu_type: str = "nvidia.com/gpu",
    gpu_count: str = "auto",
    cpu_limit: str = "4",
    memory_limit: str = "16Gi",
    node_selector: dict = {},  # noqa: B006 - the default of a form's field
    tolerations: list = [],  # noqa: B006
):
    """Train a candidate with several seeds, and promote it to champion if it groks surely sooner or better.

    Args:
        preset: Name of a preset such as demo, modular or thesis, or a whole specification as YAML or JSON.
        overrides: Changes to the preset, separated by spaces: model.architecture=llama training.max_steps=200000
        seeds: Seeds of the candidate, as in 0..4 or 0,3,5. The champion's own, 6 or more, make the surest comparison.
        new_seeds: Number of seeds to draw anew for each run, in place of `seeds`; 0 draws none. For schedules: to
            train the same runs again is refused.
        champion: Name of the champion to compare with. The first candidate that groks becomes it.
        split: Held-out split to compare on. Empty takes the task's last, the one it is about.
        minimum_time_gain: Minimum share of the champion's steps to grok that a faster candidate must save.
        minimum_accuracy_gain: Minimum gain in final accuracy of a more accurate candidate.
        time_margin: Share of the champion's steps by which a more accurate candidate may be slower.
        accuracy_margin: Loss in final accuracy that a faster candidate may have.
        confidence: Confidence of the intervals that must lie beyond these bounds.
        minimum_seeds: Minimum number of seeds of each side, at least 5, for a decision.
        failing_margin: Margin by which the share of failing seeds may exceed the champion's. 5 seeds exclude .53.
        minimum_reached: Minimum share of seeds that must grok for the first champion.
        run_key: Name under which the runs and the verdict are kept. Submit again with the same one to go on where they
            were lost. Empty takes the id of the Kubeflow run.
        store: URI under which runs and champions are kept. Empty takes the ConfigMap grokcore of the namespace; one of
            them has to name a store.
        resume: auto goes on from the last checkpoints if there are any; never and require insist on none or one.
        gpu_type: Resource name of the accelerator.
        gpu_count: Number of accelerators, as text. auto: 1 if the experiment needs one, else 0, which
            trains on the CPU.
        cpu_limit: Processors of the training, as text.
        memory_limit: Memory of the training, as text.
        node_selector: Labels of the nodes to train on, for example {"nvidia.com/gpu.product": "NVIDIA-H100-80GB-HBM3"}
        tolerations: Taints that the training tolerates, as a list of Kubernetes tolerations.
    """
    retraining = resolve_retraining(
        preset=preset,
        overrides=overrides,
        seeds=seeds,
        new_seeds=new_seeds,
        champion=champion,
        store=store,
        gpu_count=gpu_count,
        split=split,
        minimum_time_gain=minimum_time_gain,
        minimum_accuracy_gain=minimum_accuracy_gain,
        time_margin=time_margin,
        accuracy_margin=accuracy_margin,
        confidence=confidence,
        minimum_seeds=minimum_seeds,
        failing_margin=failing_margin,
        minimum_reached=minimum_reached,
        run_key=run_key,
    )
    # Never cached: the champion may have changed. Never retried: what is wrong in a specification stays wrong.
    configure(retraining, VALIDATION)
    connect_store(retraining)

    data = generate_dataset(task=retraining.outputs["task"])
    configure(data, LIGHT)  # a pure function of the task

    training = train_seeds(
        spec=retraining.outputs["spec"],
        seeds=retraining.outputs["seeds"],
        dataset=data.outputs["dataset"],
        store=store,
        run_key=run_key,
        resume=resume,
    )
    configure_training(
        training,
        gpu_type=gpu_type,
        gpu_count=retraining.outputs["gpu_count"],
        cpu_limit=cpu_limit,
        memory_limit=memory_limit,
        node_selector=node_selector,
        tolerations=tolerations,
    )

    evaluations = evaluate_runs(
        runs=training.outputs["runs"], models=training.outputs["models"], dataset=data.outputs["dataset"]
    )
    configure(evaluations, LIGHT)  # also writes to the store, which a cache hit would skip
    connect_store(evaluations)

    comparison = compare_with_champion(
        evaluations=evaluations.outputs["evaluations"],
        champion=champion,
        gate=retraining.outputs["gate"],
        store=store,
        run_key=run_key,
    )
    configure(comparison, LIGHT)  # the champion may have changed
    connect_store(comparison)
    announce(comparison, NAME)  # which it does unless there is a promotion to come

    # The verdict is the task's one output: of several the local runner would find none, and promote nothing.
    with dsl.If(comparison.outputs["Output"] == "promote", name="promote"):
        promotion = promote_champion(decision=comparison.outputs["decision"])
        configure(promotion, LIGHT)
        connect_store(promotion)
        announce(promotion, NAME)
