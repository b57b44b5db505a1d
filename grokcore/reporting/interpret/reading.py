"""Analyses that lie beside runs."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from grokcore.interpret.result import Analysis, read_analysis
from grokcore.runs.record import RunRecord
from grokcore.storage import CONCURRENT_READS, open_stores


def analyses_of(runs: Sequence[RunRecord]) -> dict[str, Analysis]:
    """Read the analyses of the runs that have one, by the runs' URIs.

    Raises:
        DamagedError: a table is not the one of its document.
        TransientError: a store could not be reached.
    """
    analyzed = [run.uri for run in runs if run.analysis is not None]
    with ThreadPoolExecutor(CONCURRENT_READS) as pool:
        return dict(zip(analyzed, pool.map(read_analysis, open_stores(analyzed)), strict=True))
