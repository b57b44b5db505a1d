from pipelines.training.architecture_comparison.pipeline import architecture_comparison

__all__ = ["architecture_comparison"]
