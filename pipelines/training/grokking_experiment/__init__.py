from pipelines.training.grokking_experiment.pipeline import grokking_experiment

__all__ = ["grokking_experiment"]
