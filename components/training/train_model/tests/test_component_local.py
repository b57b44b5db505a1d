from pathlib import Path


def test_the_example_runs_on_the_local_runner(local_runner: Path):
    from components.training.train_model.example_pipelines import example_pipeline

    example_pipeline()
    (run,) = local_runner.rglob("train-model/run")
    (model,) = local_runner.rglob("train-model/model")
    assert (run / "metrics.jsonl").stat().st_size
    assert (model / "config.json").is_file()
