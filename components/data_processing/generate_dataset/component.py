from kfp import dsl

from components.images import RUNTIME


@dsl.component(base_image=RUNTIME, install_kfp_package=False)
def generate_dataset(task: str, dataset: dsl.Output[dsl.Dataset]):
    """Make the data of a task: the same task gives the same rows on every machine.

    Takes the task alone, so that a change of model or learning rate finds the data in the cache.

    Args:
        task: The task as JSON or YAML, for example the output `task` of resolve_experiment.
        dataset: Directory with dataset.json, vocab.json, train.parquet and probes.parquet.
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
