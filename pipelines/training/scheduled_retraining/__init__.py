from pipelines.training.scheduled_retraining.pipeline import scheduled_retraining

__all__ = ["scheduled_retraining"]
