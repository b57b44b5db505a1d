"""What of an analysis is drawn: its splits, and its metrics as maps."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from grokcore.reporting.interpret.catalog import FAMILIES
from grokcore.reporting.interpret.headlines import metrics_of
from grokcore.reporting.interpret.metrics import Beside, Family, MapSpec, base_of, controls_of, is_progress
from grokcore.reporting.study import Study
from grokcore.runs.analysis import AnalysisDocument
from grokcore.runs.record import RunRecord


def analyses_of(table: pa.Table) -> list[str]:
    found: list[str] = table["analysis"].unique().to_pylist()
    return found


def chosen_splits(document: AnalysisDocument, run: RunRecord) -> list[str]:
    """Return the splits to choose among: training rows and held-out ones; all, where there are none of these."""
    roles = {name: split.role for name, split in run.evaluation.splits.items()}
    splits = [questions.split for questions in document.questions]
    return [split for split in splits if roles.get(split) in ("train", "held_out")] or splits


def first_split(splits: Sequence[str], study: Study) -> str:
    """Return the last held-out split, which is the last to be generalized to."""
    held_out = [split.name for split in study.held_out if split.name in splits]
    return held_out[-1] if held_out else splits[0]


def maps_of(table: pa.Table, analysis: str) -> Family:
    """Return how the maps of an analysis are drawn: as its family says, or all metrics that have a layer."""
    if analysis in FAMILIES:
        return FAMILIES[analysis]
    if is_progress(analysis):
        return Family(analysis, "", ())
    known = metrics_of(table, analysis, headlines=False)
    return Family(
        analysis.replace("_", " ").capitalize(),
        "",
        tuple(_default(table, analysis, metric, known) for metric in known if base_of(metric, known) == metric),
    )


def _default(table: pa.Table, analysis: str, metric: str, known: Sequence[str]) -> MapSpec:
    controls = tuple(
        Beside(one.removeprefix(f"{metric}_").replace("_", " "), one) for one in controls_of(metric, known)
    )
    rows = table.filter(_of(table, analysis, metric))
    by_position = any(rows["position"].unique().to_pylist())
    values = [abs(value) for value in rows["value"].to_pylist() if value is not None]
    return MapSpec(
        analysis,
        metric,
        metric,
        per=("case", "target") if by_position else ("target",),
        columns="position" if by_position else "case",
        is_share=max((value for value in values if value == value), default=0.0) <= 1,
        beside=controls,
    )


def _of(table: pa.Table, analysis: str, metric: str) -> Any:
    return pc.and_(pc.equal(table["analysis"], analysis), pc.equal(table["metric"], metric))
