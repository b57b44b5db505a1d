from kfp import dsl

from components.images import RUNTIME


@dsl.component(base_image=RUNTIME, install_kfp_package=False)
def evaluate_model(
    run: dsl.Input[dsl.Artifact],
    model: dsl.Input[dsl.Model],
    dataset: dsl.Input[dsl.Dataset],
    evaluation: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
):
    """Evaluate a trained model on every split, and determine when it memorized and when it grokked.

    Args:
        run: The artifact `run` of train_model.
        model: The artifact `model` of train_model.
        dataset: Dataset that it was trained on.
        evaluation: evaluation.json: accuracy per split, phases, times to grok. A copy is kept in the store.
        metrics: Accuracy and majority baseline per split, and times to grok in steps, if reached.
    """
    from pathlib import Path

    import grokcore
    from grokcore.runs.artifacts import evaluation_scalars, join_run
    from grokcore.stage import stage
    from grokcore.storage import read_json

    with stage("evaluate", Path(evaluation.path).parent):
        grokcore.evaluate_model(run.path, data=dataset.path, model=model.path, out=evaluation.path)
        join_run(run.metadata.get("run_uri"), evaluation.path, "evaluation.json")
        for name, value in evaluation_scalars(read_json(Path(evaluation.path))).items():
            metrics.log_metric(name, value)
