"""The page of one run or of many, complete in itself, and the tables for an analysis of one's own."""

from grokcore.reporting.build import Comparison, build_comparison, build_report
from grokcore.reporting.page import render

__all__ = ["Comparison", "build_comparison", "build_report", "render"]
