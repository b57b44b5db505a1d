"""List the runs below a place, and describe one in detail."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace

from grokcore.errors import InputError
from grokcore.runs.artifacts import RUN_FILES
from grokcore.runs.checkpoints import CheckpointFacts, checkpoints_of, orphans_of, problem_of
from grokcore.runs.delete import check_run
from grokcore.runs.evaluation import EVALUATION
from grokcore.runs.journal import last_evaluation
from grokcore.runs.lock import is_being_written
from grokcore.runs.manifest import MANIFEST, Manifest, files_by_run, read_manifest
from grokcore.runs.seal import check_document, manifest_problem, seal_of
from grokcore.runs.summaries import list_with_summaries
from grokcore.runs.summary import SUMMARY, Summary, read_summary
from grokcore.storage import CONCURRENT_READS, Store, StoredFile


@dataclass(frozen=True)
class RunSummary:
    """A run as a list shows it; None stands for what a damaged or unfinished run does not tell.

    Attributes:
        place: below the store that was listed; empty where that is the run itself.
        step: of the last evaluation.
        state: why it ended (`budget_steps`, `grokked`, ...); `running`; `interrupted`: neither has it ended nor does
            anybody write it; `damaged`: its manifest cannot be read; `half deleted`.
        bytes: of all its files.
        modified: last write, seconds since the epoch.
    """

    place: str
    uri: str
    run_id: str | None
    name: str | None
    architecture: str | None
    task: str | None
    seed: int | None
    step: int | None
    state: str
    bytes: int
    modified: float


def list_runs(root: Store) -> list[RunSummary]:
    """The runs at `root` and below it, at any depth, in the order of their places.

    Raises:
        InputError: the place may not be read.
        TransientError: the store did not answer.
    """
    files, summaries = list_with_summaries(root)

    def summarized(item: tuple[str, list[StoredFile]]) -> RunSummary:
        place, files = item
        return summarize(root, place, files, summaries.get(f"{place}/{SUMMARY}".lstrip("/")))

    with ThreadPoolExecutor(CONCURRENT_READS) as pool:
        return list(pool.map(summarized, sorted(files_by_run(files).items())))


def summarize(root: Store, place: str, files: Sequence[StoredFile], summary: Summary | None) -> RunSummary:
    """The run at `place` below `root`, whose files are `files`, with their keys below `root`."""
    run = root.child(place) if place else root
    facts, state = _facts(run, files, f"{place}/" if place else "", summary)
    return RunSummary(
        place=place,
        uri=run.uri,
        run_id=facts.run_id if facts is not None else None,
        name=facts.name if facts is not None else None,
        architecture=facts.architecture if facts is not None else None,
        task=facts.task if facts is not None else None,
        seed=facts.seed if facts is not None else None,
        step=facts.step if facts is not None else None,
        state=state,
        bytes=sum(file.size for file in files),
        modified=max(file.modified for file in files),
    )


def _facts(run: Store, files: Sequence[StoredFile], top: str, summary: Summary | None) -> tuple[Summary | None, str]:
    """What is known of a run, and its state: no request if it has a summary, two if it has ended without one.

    Args:
        files: of the run.
        top: start of their keys.
        summary: the content of its summary.json.
    """
    sizes = {file.key.removeprefix(top): file.size for file in files}
    if MANIFEST not in sizes:
        return None, "half deleted"
    if summary is not None and summary.exit_reason is not None and summary.is_of(sizes):
        return summary, summary.exit_reason
    try:
        manifest = read_manifest(run)
    except InputError:
        return None, "damaged"
    own = [replace(file, key=file.key.removeprefix(top)) for file in files]
    state = manifest.exit_reason or ("running" if is_being_written(run, own) else "interrupted")
    try:
        last = last_evaluation(run)
    except InputError:
        last = None
    return Summary.of(manifest, None if last is None else last["step"]), state


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
        summarize(run, "", list(run.files()), read_summary(run)),
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
    if run.find("model/config.json") is not None and run.find("model/tokenizer.json") is None:
        yield "model/tokenizer.json", f"absent: `grokcore runs model {shlex.quote(run.uri)} --out FOLDER` writes one"
    if run.find(EVALUATION) is not None:
        try:
            checked = check_document(run.read_json(EVALUATION), run.uri_of(EVALUATION), "make it anew")
            yield EVALUATION, "good" if checked else "not verified"
        except InputError as damage:
            yield EVALUATION, f"damaged: {damage}"
