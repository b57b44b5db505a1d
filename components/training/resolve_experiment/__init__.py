from components.training.resolve_experiment.component import resolve_experiment

__all__ = ["resolve_experiment"]
