from components.monitoring.report_outcome.component import report_outcome

__all__ = ["report_outcome"]
