"""What a notebook works with: runs as collections, data frames, charts that draw themselves, and progress."""

from grokcore.notebook.inline import Inline
from grokcore.notebook.loading import load_runs
from grokcore.notebook.progress import Progress
from grokcore.notebook.runs import Run, Runs

__all__ = ["Inline", "Progress", "Run", "Runs", "load_runs"]
