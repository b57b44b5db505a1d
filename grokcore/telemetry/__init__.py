"""What a run tells while it runs: the metrics journal, and progress in the terminal."""

from grokcore.telemetry.journal import JOURNAL, Journal, cut_back, finite, read_journal

__all__ = ["JOURNAL", "Journal", "cut_back", "finite", "read_journal"]
