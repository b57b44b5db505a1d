from pipelines.training.grokking_experiment_trainjob.pipeline import grokking_experiment_trainjob

__all__ = ["grokking_experiment_trainjob"]
