from components.evaluation.evaluate_runs.component import evaluate_runs

__all__ = ["evaluate_runs"]
