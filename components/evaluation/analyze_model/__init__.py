from components.evaluation.analyze_model.component import analyze_model

__all__ = ["analyze_model"]
