"""Findings of the laboratory, from packed runs: verdicts, levers of the time to grok, and the early warning."""

from __future__ import annotations

from ci.findings.judging import FINDINGS, judge, keep, write
from ci.findings.pages import found, levers, studies, verdicts, warnings

__all__ = ["FINDINGS", "found", "judge", "keep", "levers", "studies", "verdicts", "warnings", "write"]
