from kfp import dsl

from components.images import RUNTIME


@dsl.component(base_image=RUNTIME, install_kfp_package=False)
def analyze_model(
    run: dsl.Input[dsl.Artifact],
    model: dsl.Input[dsl.Model],
    dataset: dsl.Input[dsl.Dataset],
    analysis: dsl.Output[dsl.Artifact],
    metrics: dsl.Output[dsl.Metrics],
    analyses: str = "",
    examples: int = 300,
    steps: str = "milestones",
):
    """Analyze what a model has learnt inside, over the checkpoints of its run: logit lens, causal tracing, and more.

    Checkpoints are read from the run's place in the store. Where that cannot be reached, or has none, the final model
    is analyzed alone.

    Args:
        run: The artifact `run` of train_model.
        model: The artifact `model` of train_model.
        dataset: Dataset that it was trained on.
        analysis: Directory with the run's record, analysis.json and analysis.parquet, which build_report takes as its
            `run`. Copies of the analysis are kept with the run in its store.
        metrics: Headlines of the last step, on the held-out splits and of the weights.
        analyses: Names separated by commas, as `grokcore analyze --list` shows them. Empty takes those that are on.
        examples: Questions of each split.
        steps: milestones (where a phase began, and the last step), all, or numbers such as 1000,2000.
    """
    from pathlib import Path

    from grokcore.interpret.artifacts import analyze_artifacts
    from grokcore.stage import stage

    with stage("analyze", Path(analysis.path).parent):
        places = (run.path, model.path, dataset.path, run.metadata.get("run_uri", ""), analysis.path)
        headlines = analyze_artifacts(*places, steps=steps, analyses=analyses, examples=examples)
        analysis.metadata.update(run.metadata)
        for name, value in headlines.items():
            metrics.log_metric(name, value)
