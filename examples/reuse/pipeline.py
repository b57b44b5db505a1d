"""Train, evaluate and judge a model in a pipeline of one's own, with the installed package alone.

python pipeline.py compile pipeline.yaml          # for a cluster
python pipeline.py run modular test 0.99 out      # here, in processes of this environment: preset, split, minimum
"""

import sys
from pathlib import Path

from kfp import compiler, dsl, local

from grokcore.kfp import LIGHT, VALIDATION, WORKFLOW, configure, configure_training, connect_store, load_component

resolve_experiment = load_component("resolve_experiment")
generate_dataset = load_component("generate_dataset")
train_model = load_component("train_model")
evaluate_model = load_component("evaluate_model")

IMAGE = resolve_experiment.component_spec.implementation.container.image
"""grokcore's image for a CPU, which has kfp as well."""


@dsl.component(base_image=IMAGE, install_kfp_package=False)
def judge(metrics: dsl.Input[dsl.Metrics], split: str, minimum: float) -> str:
    """Say whether the final accuracy of a split reaches a minimum: a component of one's own, on grokcore's outputs."""
    accuracies = {name: value for name, value in metrics.metadata.items() if name.endswith("_accuracy")}
    if f"{split}_accuracy" not in accuracies:
        raise ValueError(f"there is no accuracy of the split {split}; there are {', '.join(accuracies)}")
    accuracy = accuracies[f"{split}_accuracy"]
    return "pass" if accuracy >= minimum else f"fail: {split} accuracy is {accuracy:.2f}"


@dsl.pipeline(name="my-pipeline", pipeline_config=WORKFLOW)
def my_pipeline(
    preset: str = "modular",
    split: str = "test",
    minimum: float = 0.99,
    store: str = "",
    gpu_count: str = "0",
    cpu_limit: str = "4",
    memory_limit: str = "8Gi",
) -> str:
    """Train a preset, and judge it by its accuracy on a held-out split."""
    experiment = resolve_experiment(preset=preset, gpu_count=gpu_count)
    configure(experiment, VALIDATION)

    data = generate_dataset(task=experiment.outputs["task"])
    configure(data, LIGHT)

    training = train_model(spec=experiment.outputs["spec"], dataset=data.outputs["dataset"], store=store)
    configure_training(
        training,
        gpu_type="nvidia.com/gpu",
        gpu_count=gpu_count,
        cpu_limit=cpu_limit,
        memory_limit=memory_limit,
        node_selector={},
        tolerations=[],
    )

    evaluation = evaluate_model(
        run=training.outputs["run"], model=training.outputs["model"], dataset=data.outputs["dataset"]
    )
    configure(evaluation, LIGHT)
    connect_store(evaluation)

    verdict = judge(metrics=evaluation.outputs["metrics"], split=split, minimum=minimum)
    configure(verdict, LIGHT)
    return verdict.output


def main(arguments: list[str]) -> int:
    match arguments:
        case ["compile", file]:
            compiler.Compiler().compile(my_pipeline, file)
        case ["run", preset, split, minimum, directory]:
            out = Path(directory).absolute()
            local.init(local.SubprocessRunner(use_venv=False), pipeline_root=str(out / "pipeline"))
            done = my_pipeline(preset=preset, split=split, minimum=float(minimum), store=str(out))
            print(done.output)
        case _:
            print(__doc__, file=sys.stderr)
            return 2
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
