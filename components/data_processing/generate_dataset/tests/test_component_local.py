from pathlib import Path

from components.data_processing.generate_dataset import generate_dataset
from grokcore.spec import load_spec


def test_runs_on_the_local_runner(local_runner: Path):
    task = load_spec("smoke").task.model_dump_json()
    dataset = generate_dataset(task=task).outputs["dataset"]
    assert (Path(dataset.path) / "train.parquet").is_file()
    assert dataset.metadata["kind"] == "comparison"


def test_the_example_runs(local_runner: Path):
    from components.data_processing.generate_dataset.example_pipelines import example_pipeline

    example_pipeline()
    assert len(list(local_runner.rglob("dataset.json"))) == 1
