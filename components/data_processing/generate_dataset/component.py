from kfp import dsl

from components.images import RUNTIME


@dsl.component(base_image=RUNTIME, install_kfp_package=False)
def generate_dataset(task: str, dataset: dsl.Output[dsl.Dataset]):
    """Generate the dataset of a task: the same rows on every machine.

    The task is the only input, so that a change of model or learning rate reuses the cached dataset.

    Args:
        task: The task as JSON or YAML, for example the output `task` of resolve_experiment.
        dataset: Directory with dataset.json, vocab.json, train.parquet and probes.parquet. Its metadata carry
            dataset_id and kind.
    """
    from pathlib import Path

    import grokcore
    from grokcore.spec import dataset_id, load_task
    from grokcore.stage import stage

    with stage("generate", Path(dataset.path).parent):
        specification = load_task(task)
        grokcore.generate_dataset(specification, dataset.path)
        dataset.metadata["dataset_id"] = dataset_id(specification)
        dataset.metadata["kind"] = specification.kind
