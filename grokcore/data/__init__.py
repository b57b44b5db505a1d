"""Datasets: generated from a task, written as files, verified before use."""

from grokcore.data.dataset import Dataset, open_dataset
from grokcore.data.facts import read_facts, task_over
from grokcore.data.generate import generate_dataset
from grokcore.data.info import DatasetInfo, FileInfo, SplitInfo
from grokcore.data.reference import is_reference, read_reference
from grokcore.tasks import Rows

__all__ = [
    "Dataset",
    "DatasetInfo",
    "FileInfo",
    "Rows",
    "SplitInfo",
    "generate_dataset",
    "is_reference",
    "open_dataset",
    "read_facts",
    "read_reference",
    "task_over",
]
