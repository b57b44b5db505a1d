"""The runs of a store: found, described, and deleted."""

from grokcore.runs.catalogue import RunSummary, list_runs
from grokcore.runs.checkpoints import CheckpointFacts, checkpoints_of, orphans_of
from grokcore.runs.detail import RunDetail, describe_run
from grokcore.runs.removal import check_run, delete_leftovers, delete_run

__all__ = [
    "CheckpointFacts",
    "RunDetail",
    "RunSummary",
    "check_run",
    "checkpoints_of",
    "delete_leftovers",
    "delete_run",
    "describe_run",
    "list_runs",
    "orphans_of",
]
