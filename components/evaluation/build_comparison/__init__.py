from components.evaluation.build_comparison.component import build_comparison

__all__ = ["build_comparison"]
