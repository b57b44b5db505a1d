"""One run in all detail."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from grokcore.errors import InputError
from grokcore.evaluation.result import EVALUATION
from grokcore.runs.catalogue import RunSummary, summarise
from grokcore.runs.checkpoints import CheckpointFacts, checkpoints_of, orphans_of, problem_of
from grokcore.runs.removal import check_run
from grokcore.storage import Store, StoredFile
from grokcore.storage.artifacts import RUN_FILES
from grokcore.telemetry import MANIFEST, Manifest, read_manifest
from grokcore.telemetry.seal import check_document, manifest_problem, seal_of


@dataclass(frozen=True)
class RunDetail:
    """A run, its checkpoints, and what does not belong to it any more.

    Attributes:
        manifest: None where it is damaged.
        orphans: files of saves that came to nothing.
        leftovers: unfinished writes, as the store names them.
        files: what is known of the run's own files, by key: `good`, `damaged: ...`, or `not verified`, where contents
            were not read or there are no hashes to hold them against.
    """

    summary: RunSummary
    manifest: Manifest | None
    checkpoints: list[CheckpointFacts]
    orphans: list[StoredFile]
    leftovers: list[str]
    files: dict[str, str]


def describe_run(run: Store, *, verify: bool = False) -> RunDetail:
    """
    Args:
        verify: read all of the model and the checkpoints on object storage, too, which takes as long as a download.

    Raises:
        InputError: there is no run.
        TransientError: the store did not answer.
    """
    check_run(run)
    try:
        manifest = read_manifest(run)
    except InputError:
        manifest = None
    return RunDetail(
        summarise(run, "", list(run.files())),
        manifest,
        checkpoints_of(run, verify=verify),
        orphans_of(run),
        run.leftovers(),
        dict(_states(run, verify=verify)),
    )


def _states(run: Store, *, verify: bool) -> Iterator[tuple[str, str]]:
    """The state of each file of a run's record, its model and its evaluation."""
    try:
        document = run.read_json(MANIFEST)
        seal = seal_of(document)
        problem = manifest_problem(document)
    except InputError as damage:
        yield MANIFEST, f"damaged: {damage}"
        return
    yield MANIFEST, "not verified" if seal is None else f"damaged: {problem}" if problem else "good"
    for key, digest in seal.files.items() if seal is not None else ():
        read = verify or run.directory is not None or key in RUN_FILES
        wrong = problem_of(run, key, digest.bytes, digest.sha256, verify=read)
        yield key, f"damaged: it {wrong}" if wrong else "good" if read else "not verified"
    if run.find(EVALUATION) is not None:
        try:
            checked = check_document(run.read_json(EVALUATION), run.uri_of(EVALUATION), "make it anew")
            yield EVALUATION, "good" if checked else "not verified"
        except InputError as damage:
            yield EVALUATION, f"damaged: {damage}"
