"""What a run tells while it runs and leaves behind: journal, manifest, and progress in the terminal."""

from grokcore.telemetry.follow import follow
from grokcore.telemetry.journal import JOURNAL, Journal, finite, read_journal
from grokcore.telemetry.manifest import MANIFEST, Manifest, read_manifest
from grokcore.telemetry.seeds import SeedsProgress

__all__ = [
    "JOURNAL",
    "MANIFEST",
    "Journal",
    "Manifest",
    "SeedsProgress",
    "finite",
    "follow",
    "read_journal",
    "read_manifest",
]
