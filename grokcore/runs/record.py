"""A run as every view and analysis reads it: one record of spec, manifest, journal and evaluation.

`read_run` reads all of a run, `read_trained` leaves its evaluation out, and `read_head` reads what stays the same while
it trains. None judges whether the
evaluation is up to date: `grokcore.evaluation.records` does.
"""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from grokcore.errors import InputError
from grokcore.runs.analysis import ANALYSIS, AnalysisDocument, decode_analysis
from grokcore.runs.artifacts import RUN_FILES
from grokcore.runs.evaluation import EVALUATION, Evaluation
from grokcore.runs.journal import JOURNAL, JournalLine, checked_lines, read_journal
from grokcore.runs.manifest import DELETING, MANIFEST, Manifest, files_by_run, not_a_run, read_manifest
from grokcore.runs.seal import SPEC, check_document, check_record
from grokcore.spec import ExperimentSpec, read_spec, validate
from grokcore.storage import Store, local_copy, open_parent, open_store


class UnusableError(InputError):
    """A run that is whole, but cannot be compared as it is: it waits for its evaluation, or another version made it."""


@dataclass(frozen=True)
class RunRecord:
    """One run.

    Attributes:
        uri: the run's directory.
        journal: the lines of metrics.jsonl, in order.
        result: the content of evaluation.json; None where the run has not been evaluated.
        analysis: the content of analysis.json; None where the run has not been analyzed.
        verified: whether the files have the hashes that they were written with; older versions kept none.
    """

    uri: str
    spec: ExperimentSpec
    manifest: Manifest
    journal: Sequence[JournalLine] = ()
    result: Evaluation | None = None
    analysis: AnalysisDocument | None = None
    verified: bool = False

    @property
    def uses_held_out(self) -> bool:
        """Whether held-out data decided how its weights, or those that it starts from, were trained."""
        source = self.manifest.source
        return self.spec.training.uses_held_out or (source is not None and source.uses_held_out)

    @property
    def evaluation(self) -> Evaluation:
        """The evaluation of a run that has one.

        Raises:
            UnusableError: the run has not been evaluated.
        """
        if self.result is None:
            raise UnusableError(
                f"{self.uri} has no evaluation yet; make one with: grokcore evaluate {shlex.quote(self.uri)}"
            )
        return self.result


def read_head(run: Store) -> RunRecord:
    """Read spec and manifest of a run, which may be training now.

    Raises:
        InputError: there is no run, or its record is damaged.
        TransientError: the store did not answer.
    """
    with local_copy(run, (MANIFEST, SPEC)) as directory:
        manifest = read_manifest(directory, run.uri)
        return RunRecord(run.uri, read_spec(directory / SPEC), manifest)


def read_run(run: str | Path | Store, *, evaluation: str | Path | None = None) -> RunRecord:
    """Read the run in a directory, and check its files against their hashes and one another.

    Args:
        run: its directory; a store where many are read through one connection.
        evaluation: file of its evaluation; by default evaluation.json in the run, if there is one.

    Raises:
        InputError: there is no run; a file is missing or damaged; or the evaluation is that of another run.
        TransientError: the store could not be reached.
    """
    uri = run.uri if isinstance(run, Store) else run
    with local_copy(run, (*RUN_FILES, EVALUATION, ANALYSIS)) as directory:
        record = _with_analysis(_read_trained(directory, uri), directory)
        place = evaluation if evaluation is not None else directory / EVALUATION
        if evaluation is None and not (directory / EVALUATION).exists():
            return record
        result, verified = _read_evaluation(place, uri)
    if result.run_id != record.manifest.run_id:
        holder = uri if evaluation is None else evaluation
        raise InputError(
            f"{holder} holds the evaluation of run {result.run_id}, but {uri} is run {record.manifest.run_id}"
        )
    return replace(record, result=result, verified=record.verified and verified)


def read_trained(uri: str | Path) -> RunRecord:
    """Read a run without its evaluation, which may be missing or damaged; errors as in `read_run`."""
    with local_copy(uri, RUN_FILES) as directory:
        return _read_trained(directory, uri)


def _read_trained(directory: Path, uri: str | Path) -> RunRecord:
    manifest = read_manifest(directory, uri)
    verified = check_record(directory, uri)
    spec = read_spec(directory / SPEC)
    journal = checked_lines(read_journal(directory / JOURNAL), directory / JOURNAL)
    return RunRecord(str(uri), spec, manifest, journal, verified=verified)


def _with_analysis(record: RunRecord, directory: Path) -> RunRecord:
    path = directory / ANALYSIS
    if not path.exists():
        return record
    analysis = decode_analysis(path.read_bytes(), record.uri)
    if analysis.run_id != record.manifest.run_id:
        found = f"holds the analysis of run {analysis.run_id}, but is run {record.manifest.run_id}"
        raise InputError(f"{record.uri} {found}; make its own with: grokcore analyze {shlex.quote(record.uri)}")
    return replace(record, analysis=analysis)


def _read_evaluation(place: str | Path, run: str | Path) -> tuple[Evaluation, bool]:
    """An evaluation, and whether it has the hash that it was written with."""
    try:
        store, name = open_parent(place)
        document = store.read_json(name)
        verified = check_document(document, place, f"make it anew with: grokcore evaluate {shlex.quote(str(run))}")
        result: Evaluation = validate(Evaluation, document)
    except InputError as error:
        if str(place) in str(error):
            raise
        raise InputError(f"{place} is damaged or of another version: {error}") from None
    return result, verified


def runs_at(place: str | Path | Store) -> list[str]:
    """Find the runs at a place: the place itself, or all below it, in order; half-deleted runs are left out.

    Returns:
        Their URIs.

    Raises:
        InputError: there is no run.
    """
    store = place if isinstance(place, Store) else open_store(place)
    if store.find(MANIFEST) is not None:
        return [store.uri]
    found = {
        key: files
        for key, files in files_by_run(store.files()).items()
        if not any(file.key == f"{key}/{DELETING}".lstrip("/") for file in files)
    }
    if not found:
        raise not_a_run(store, searched=True)
    return [store.uri_of(key) for key in sorted(found)]
