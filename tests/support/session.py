"""Settings, fixtures and closing lines that all tests share: those in tests/ and those beside the components."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # two test processes share two cores
os.environ["HF_HUB_OFFLINE"] = "1"

import pytest

from tests.servers.fixtures import bucket, s3_uri, store_uri
from tests.support.programs import missing_programs

__all__ = ["bucket", "pytest_terminal_summary", "s3_uri", "store_uri"]


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """List the programs for want of which tests were skipped, and say how extended tests are run."""
    skipped = [str(report.longrepr[-1]) for report in terminalreporter.stats.get("skipped", ()) if report.longrepr]
    if lines := missing_programs(skipped):
        terminalreporter.section("skipped for want of a program")
        for line in lines:
            terminalreporter.write_line(line)
    left_out = [item for item in terminalreporter.stats.get("deselected", ()) if item.get_closest_marker("extended")]
    if left_out:
        terminalreporter.write_line(f'{len(left_out)} extended tests left out: `ci/test --all` or `-m ""` runs them')
