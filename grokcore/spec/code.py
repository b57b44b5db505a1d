"""Which code of others an experiment needs, and whether it is here."""

from __future__ import annotations

from grokcore.spec.experiment import ExperimentSpec
from grokcore.spec.models import Model, PluginModel, RecordedModel
from grokcore.spec.plugins import PluginSource, check_here, source_here
from grokcore.spec.tasks import PluginTask, RecordedTask, Task


def plugins_of(spec: ExperimentSpec) -> list[PluginSource]:
    """Return the origin of every part of an experiment that is not grokcore's own."""
    parts: list[Task | Model] = [spec.task, spec.model]
    chosen = [one.plugin for one in parts if isinstance(one, PluginTask | RecordedTask | PluginModel | RecordedModel)]
    return [*(source for source in chosen if source is not None), *spec.training.plugins]


def check_task(task: Task) -> None:
    """
    Raises:
        InputError: the task is one of another package, and the code that its spec records is not here.
    """
    if isinstance(task, RecordedTask):
        check_here(task.plugin, source_here("task", task.kind))


def check_architecture(model: Model) -> None:
    """
    Raises:
        InputError: the architecture is one of another package, and the code that its spec records is not here.
    """
    if isinstance(model, RecordedModel):
        check_here(model.plugin, source_here("architecture", model.architecture))


def check_training(spec: ExperimentSpec) -> None:
    """Check what training needs: the code of the model and of the methods, not that of the task, whose data are made.

    Raises:
        InputError: a part is one of another package, and the code that the spec records is not here.
    """
    check_architecture(spec.model)
    for source in spec.training.plugins:
        check_here(source, source_here(source.kind, source.name))
