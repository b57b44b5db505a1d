from kfp import dsl

from components.images import RUNTIME


@dsl.component(base_image=RUNTIME, install_kfp_package=False)
def generate_dataset(task: str, dataset: dsl.Output[dsl.Dataset]):
    """Generate the dataset of a task: the same rows on every machine.

    The task is the only input, so that a change of model or learning rate reuses the cached dataset.

    Args:
        task: The task as JSON or YAML, for example the output `task` of resolve_experiment; or several, as in an item
            of resolve_sweep that packs points.
        dataset: Directory with dataset.json, vocab.json, train.parquet and probes.parquet; of several tasks, one such
            directory each, named by its dataset's id. Its metadata carry dataset_id and kind.
    """
    from pathlib import Path

    import grokcore
    from grokcore.spec import dataset_id
    from grokcore.stage import stage
    from grokcore.sweeps.packs import dataset_folders, decode_tasks

    with stage("generate", Path(dataset.path).parent):
        tasks = decode_tasks(task)
        for one, folder in zip(tasks, dataset_folders(tasks, dataset.path), strict=True):
            grokcore.generate_dataset(one, folder)
        dataset.metadata["dataset_id"] = ",".join(map(dataset_id, tasks))
        dataset.metadata["kind"] = ",".join(dict.fromkeys(one.kind for one in tasks))
