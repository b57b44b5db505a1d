"""The report of one or more runs: one HTML file that needs nothing else."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from grokcore.evaluation.remarks import remarks_on_many
from grokcore.reporting.charts import build_charts
from grokcore.reporting.entries import entries_of
from grokcore.reporting.page import render_page
from grokcore.reporting.read import RunView, read_runs
from grokcore.reporting.summary import definitions, facts, findings, outcomes
from grokcore.reporting.tables import accuracy_table, differences, manifest_table, seeds_table, times_table
from grokcore.reporting.timeline import ticks, timeline
from grokcore.runs.seal import not_verified
from grokcore.storage import open_parent

MANY = 4
"""With more runs than this, the summary counts outcomes; the timeline has each run's own."""


def build_report(
    runs: Sequence[str | Path],
    out: str | Path,
    *,
    evaluations: Sequence[str | Path] | None = None,
    notify: Callable[[str], None] = lambda line: None,
) -> str:
    """Write the report of `runs` to the file `out` and return where it lies.

    Args:
        runs: run directories (paths, `file://` or `s3://` URIs), in the order of the report's columns.
        out: the HTML file, by path or URI; it is written whole or not at all.
        evaluations: the runs' evaluations in the same order, where they do not lie in the run directories.
        notify: called with a line where files cannot be verified, since an older version wrote them.

    Raises:
        InputError: a run has no evaluation yet, a file is damaged, or `out` cannot be written.
        TransientError: a store could not be reached.
    """
    store, name = open_parent(out)
    views = read_runs(runs, evaluations)
    store.write(name, render(views).encode("utf-8", "replace"))
    if remark := not_verified(views):
        notify(remark)
    return str(out)


def render(runs: Sequence[RunView]) -> str:
    """The HTML of a report."""
    charts = build_charts(runs)
    return render_page(
        "report.html.j2",
        charts.all,
        title=_title(runs),
        runs=runs,
        alone=len(runs) == 1,
        facts=facts(runs[0]),
        findings=[(run, findings(run)) for run in runs] if len(runs) <= MANY else [],
        remarks=remarks_on_many([run.evaluation for run in runs]) if len(runs) > MANY else [],
        outcomes=outcomes(runs) if len(runs) > 1 else [],
        definitions=definitions(runs),
        timeline=timeline(runs, charts.axis),
        ticks=ticks(charts.axis),
        charts=charts,
        thresholds=sorted({run.evaluation.threshold for run in runs}),
        seeds=seeds_table(runs),
        accuracy=accuracy_table(runs),
        times=times_table(runs),
        manifest=manifest_table(runs),
        differences=differences(runs),
    )


def _title(runs: Sequence[RunView]) -> str:
    labels = [entry.label for entry in entries_of(runs)]
    if len(labels) <= 3:
        return ", ".join(labels)
    return f"{labels[0]}, {labels[1]} and {len(labels) - 2} more"
