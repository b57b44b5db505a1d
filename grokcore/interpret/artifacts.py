"""An analysis as a task of Kubeflow: from artifacts to an artifact, and its headlines as scalar metrics."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection
from pathlib import Path

from grokcore.errors import InputError, printable
from grokcore.interpret.analyze import analyze_model
from grokcore.interpret.result import TABLE
from grokcore.models import saved_steps
from grokcore.runs.analysis import ANALYSIS, AnalysisDocument, Headline
from grokcore.runs.artifacts import RUN_FILES, copy_files, finite_only, join_run
from grokcore.runs.record import read_head
from grokcore.storage import open_store


def analyze_artifacts(
    run: str,
    model: str,
    dataset: str,
    run_uri: str,
    out: str,
    *,
    steps: str,
    analyses: str,
    examples: int,
    notify: Callable[[str], None] = print,
) -> dict[str, float]:
    """Analyze the checkpoints at `run_uri`, or the final model alone if there are none that can be reached.

    Args:
        run, model, dataset: directories of artifacts: the run's record, its final model, its dataset.
        run_uri: the run's place in the store, where the analysis joins it.
        out: directory to write to: the record and the analysis, as a run that can be reported.
        steps: as of `analyze_model`, in text; it does not matter for a final model alone.
        analyses: names separated by commas; empty for those that are on.

    Returns:
        Headlines of the last step, as `headline_scalars` names them.

    Raises:
        InputError: as of `analyze_model`.
        TransientError: a store could not be reached.
    """
    names = [name.strip() for name in analyses.split(",")] if analyses.strip() else None
    place, final = (run_uri, None) if _has_weights(run_uri, notify) else (run, model)
    copy_files(Path(run), Path(out), RUN_FILES)
    found = analyze_model(
        place, data=dataset, model=final, steps=steps, analyses=names, examples=examples, out=out, notify=notify
    )
    for name in (TABLE, ANALYSIS):  # the document last, as they are written
        join_run(run_uri, f"{out}/{name}", name)
    return headline_scalars(found.document, read_head(open_store(out)).spec.task.held_out_splits)


def _has_weights(run_uri: str, notify: Callable[[str], None]) -> bool:
    """Return whether the weights of a run can be read from here; if not, say why."""
    try:
        reason = "" if run_uri and saved_steps(run_uri) else f"no weights at {printable(run_uri) or 'an empty run_uri'}"
    except InputError as error:
        reason = str(error)
    if reason:
        notify(f"analyzing the final model alone: {reason}")
    return not reason


def headline_scalars(document: AnalysisDocument, splits: Collection[str]) -> dict[str, float]:
    """Return the finite headlines of the last step, of some splits and of the weights, by a name for each.

    Where a headline was found, such as `layer 1, e1`, is no part of its name, which is that of every other run.
    """
    chosen = (one for one in document.headlines if one.step == document.steps[-1])
    return finite_only({_name(one): one.value for one in chosen if not one.split or one.split in splits})


def _name(headline: Headline) -> str:
    target = "" if headline.target.startswith("layer ") else headline.target
    parts = filter(None, (headline.analysis, headline.split, headline.metric, headline.case, target))
    return re.sub("[^a-z0-9]+", "_", "_".join(parts).lower())
