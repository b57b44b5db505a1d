"""Read runs from places for a notebook."""

from __future__ import annotations

from pathlib import Path

from grokcore.errors import InputError
from grokcore.evaluation.records import read_records
from grokcore.notebook.runs import Runs
from grokcore.reporting.fairness import read_sweep_facts
from grokcore.runs.manifest import MANIFEST
from grokcore.storage import open_store
from grokcore.sweeps.index import INDEX, read_index


def load_runs(*places: str | Path) -> Runs:
    """Read runs for an analysis.

    A run that is not evaluated up to its end, since it trains right now or nobody has asked, is judged by its journal
    as it is; its `evaluation.remarks` say so. What cannot be judged is left out, with a line each in `left_out`.

    Args:
        places: run directories, stores or other directories below which runs lie, or a sweep's own directory
            (`STORE/sweeps/NAME`): paths, `file://` or `s3://` URIs.

    Raises:
        InputError: there is no run, or one is damaged.
        TransientError: a store could not be reached.
    """
    if not places:
        raise InputError("name a run, or a place below which runs lie: load_runs('store')")
    left_out: list[str] = []
    facts = None
    sources: list[str | Path] = []
    for place in places:
        found = _runs_of_sweep(place)
        if found is None:
            sources.append(place)
        else:
            facts = read_sweep_facts(open_store(place)) if len(places) == 1 else None
            sources += found
    records = read_records(sources, unfinished="judge", notify=left_out.append)
    return Runs(tuple(records), tuple(left_out), facts)


def _runs_of_sweep(place: str | Path) -> list[str] | None:
    """Return the runs of the sweep in a directory, of which training has ended; None where there is no sweep."""
    store = open_store(place)
    if store.find(INDEX) is None or store.find(MANIFEST) is not None:
        return None
    root, _, _ = store.uri.rstrip("/").rpartition("/sweeps/")
    runs = [f"{root}/{place}" for place in read_index(store).places()]
    if not runs:
        raise InputError(f"none of the runs of the sweep at {place} is done; grokcore sweep goes on with it")
    return runs
