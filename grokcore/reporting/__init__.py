"""What a reader sees of one or more runs: a self-contained HTML report, and the pieces it is made of."""

from grokcore.reporting.read import RunView, read_runs
from grokcore.reporting.report import build_report, render

__all__ = ["RunView", "build_report", "read_runs", "render"]
