"""One run in all detail."""

from __future__ import annotations

from dataclasses import dataclass

from grokcore.errors import InputError
from grokcore.runs.catalogue import RunSummary, summarise
from grokcore.runs.checkpoints import CheckpointFacts, checkpoints_of, orphans_of
from grokcore.runs.removal import check_run
from grokcore.storage import Store, StoredFile
from grokcore.telemetry import Manifest, read_manifest


@dataclass(frozen=True)
class RunDetail:
    """A run, its checkpoints, and what does not belong to it any more.

    Attributes:
        manifest: None where it is damaged.
        orphans: files of saves that came to nothing.
        leftovers: unfinished writes, as the store names them.
    """

    summary: RunSummary
    manifest: Manifest | None
    checkpoints: list[CheckpointFacts]
    orphans: list[StoredFile]
    leftovers: list[str]


def describe_run(run: Store) -> RunDetail:
    """
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
        summarise(run, "", list(run.files())), manifest, checkpoints_of(run), orphans_of(run), run.leftovers()
    )
