"""Analyses that lie beside runs."""

from __future__ import annotations

from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from grokcore.interpret.result import TABLE, Analysis, read_analysis
from grokcore.runs.record import RunRecord
from grokcore.storage import CONCURRENT_READS, Store, open_stores


def analyses_of(runs: Sequence[RunRecord]) -> dict[str, Analysis]:
    """Read the analyses of the runs that have one with its table, by the runs' URIs; packed runs have none.

    Raises:
        DamagedError: a table is not the one of its document.
        TransientError: a store could not be reached.
    """
    analyzed = [run.uri for run in runs if run.analysis is not None]
    with ThreadPoolExecutor(CONCURRENT_READS) as pool:
        whole = [uri for uri, there in zip(analyzed, pool.map(_has_table, open_stores(analyzed)), strict=True) if there]
        return dict(zip(whole, pool.map(read_analysis, open_stores(whole)), strict=True))


def _has_table(run: Store) -> bool:
    return run.find(TABLE) is not None
