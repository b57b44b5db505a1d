"""The run directory: its files, and how they are written, read, listed and deleted."""

from grokcore.runs.checkpoints import CheckpointFacts, checkpoints_of, orphans_of
from grokcore.runs.delete import check_run, delete_leftovers, delete_run
from grokcore.runs.journal import JOURNAL, Journal, finite, read_journal
from grokcore.runs.listing import RunDetail, RunSummary, describe_run, list_runs
from grokcore.runs.manifest import MANIFEST, Manifest, read_manifest

__all__ = [
    "JOURNAL",
    "MANIFEST",
    "CheckpointFacts",
    "Journal",
    "Manifest",
    "RunDetail",
    "RunSummary",
    "check_run",
    "checkpoints_of",
    "delete_leftovers",
    "delete_run",
    "describe_run",
    "finite",
    "list_runs",
    "orphans_of",
    "read_journal",
    "read_manifest",
]
