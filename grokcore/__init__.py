"""A laboratory for grokking, the sudden generalization of neural networks long after they have overfitted.

The four stages, each also a command and a Kubeflow component of the same meaning:

    generate_dataset(task, out)   a task becomes a dataset
    train_model(spec, data, out)  a spec and a dataset become a run; train_seeds makes a run per seed
    evaluate_model(run)           a run gets accuracies, phases and times to grok
    build_report(runs, out)       runs become one HTML page; build_comparison sets groups of seeds against each other

For analyses of one's own, load_runs(place) reads runs as a collection with data frames and charts. Any saved step of a
run opens as a model by load_model(run, step=...), analyze_model(run) looks inside them, and export_model(run, folder)
writes one for the libraries of Hugging Face.

Tasks, architectures, optimizers and losses of your own come from a package, or by register_task and its like.

Importing grokcore imports none of what the stages need; each loads its own at first use.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from grokcore.version import __version__

if TYPE_CHECKING:
    from grokcore.data import generate_dataset
    from grokcore.evaluation import evaluate_model, export_model
    from grokcore.interpret import analyze_model
    from grokcore.models import load_model
    from grokcore.models.registering import register_architecture
    from grokcore.notebook import Progress, Run, Runs, load_runs
    from grokcore.reporting import build_comparison, build_report
    from grokcore.spec import ExperimentSpec, load_spec
    from grokcore.spec.plugins.registering import (
        register_filter,
        register_loss,
        register_optimizer,
        register_projection,
    )
    from grokcore.tasks.registering import register_task
    from grokcore.training import TrainingContext, train_model, train_seeds

__all__ = [
    "ExperimentSpec",
    "Progress",
    "Run",
    "Runs",
    "TrainingContext",
    "__version__",
    "analyze_model",
    "build_comparison",
    "build_report",
    "evaluate_model",
    "export_model",
    "generate_dataset",
    "load_model",
    "load_runs",
    "load_spec",
    "register_architecture",
    "register_filter",
    "register_loss",
    "register_optimizer",
    "register_projection",
    "register_task",
    "train_model",
    "train_seeds",
]

_HOMES = {
    "ExperimentSpec": "grokcore.spec",
    "Progress": "grokcore.notebook",
    "Run": "grokcore.notebook",
    "Runs": "grokcore.notebook",
    "TrainingContext": "grokcore.training",
    "analyze_model": "grokcore.interpret",
    "build_comparison": "grokcore.reporting",
    "build_report": "grokcore.reporting",
    "evaluate_model": "grokcore.evaluation",
    "export_model": "grokcore.evaluation",
    "generate_dataset": "grokcore.data",
    "load_model": "grokcore.models",
    "load_runs": "grokcore.notebook",
    "load_spec": "grokcore.spec",
    "register_architecture": "grokcore.models.registering",
    "register_filter": "grokcore.spec.plugins.registering",
    "register_loss": "grokcore.spec.plugins.registering",
    "register_optimizer": "grokcore.spec.plugins.registering",
    "register_projection": "grokcore.spec.plugins.registering",
    "register_task": "grokcore.tasks.registering",
    "train_model": "grokcore.training",
    "train_seeds": "grokcore.training",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'grokcore' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    """What tab completion offers: the names above, whether or not they have been loaded."""
    return sorted({*__all__, *(name for name in globals() if name.startswith("__"))})
