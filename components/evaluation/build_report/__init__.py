from components.evaluation.build_report.component import build_report

__all__ = ["build_report"]
