from components.training.resolve_retraining.component import resolve_retraining

__all__ = ["resolve_retraining"]
