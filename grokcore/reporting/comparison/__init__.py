"""Groups of runs compared: one HTML page, and tables of everything for an analysis of one's own."""

from grokcore.reporting.comparison.build import Comparison, build_comparison

__all__ = ["Comparison", "build_comparison"]
