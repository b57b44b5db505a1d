"""An entry: a recipe, the journals of its seeds, and what they were trained on, in one folder.

records/modular/muon/entry.json             the claim: target, seeds, times, conditions; with its own hash
records/modular/muon/spec.yaml              the recipe, with its first seed
records/modular/muon/seed-417000.jsonl.gz   the journal of a seed, as training wrote it
records/modular/muon/README.md              the same for people, generated
"""

from __future__ import annotations

import gzip
import io
import statistics
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field

from grokcore.errors import InputError
from grokcore.runs.journal import JournalLine, checked_lines, decode
from grokcore.runs.manifest import Conditions, ExitReason
from grokcore.runs.seal import SPEC, FileDigest, check_document, digest_of, with_checksum
from grokcore.spec import ExperimentSpec, read_spec, validate
from grokcore.storage import read_bytes, read_json, write_atomically, write_json

ENTRY = "entry.json"
_MOST_BYTES = 64 * 2**20
"""Bytes of a journal that are read; one of a million evaluations would have more."""

Unit = Literal["steps", "flops", "cpu_seconds", "gpu_seconds"]


class _Part(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class SeedRun(_Part):
    """The run of one seed."""

    seed: int
    run_id: str
    started: str = Field(description="UTC, ISO 8601")
    finished: str
    attempts: int = Field(description="processes that trained it, one after another")
    exit_reason: ExitReason
    journal: FileDigest = Field(description="of metrics.jsonl, uncompressed")


class Figures(_Part):
    """Sustained times to the target in one unit."""

    values: tuple[float, ...] = Field(description="in the order of the seeds")
    median: float
    mean: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Figures:
        return cls(values=tuple(values), median=statistics.median(values), mean=statistics.fmean(values))


class Entry(_Part):
    """entry.json."""

    format: Literal[1] = 1
    preset: str
    split: str
    title: str = Field(min_length=1, max_length=100, description="what makes it fast, for people")
    added: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$", description="when it was added: UTC, ISO 8601")
    trials: int = Field(ge=0, description="configurations that were tried to find the recipe, as far as is known")
    flops_per_step: float
    flops_of_method: float = Field(ge=0, description="of these, what the method adds to the model's")
    vocabulary_size: int
    tokens: int = Field(description="tokens the model reads of an example")
    parameters: int
    conditions: Conditions = Field(description="software and hardware, the same for all seeds")
    runs: tuple[SeedRun, ...]
    figures: dict[Unit, Figures]
    sha256: str | None = Field(None, description="of this document without this value")

    @property
    def seeds(self) -> list[int]:
        return [run.seed for run in self.runs]

    @property
    def date(self) -> str:
        """The day on which it was added."""
        return self.added[:10]

    @property
    def machine(self) -> str:
        """Hardware and threads: entries of equal machines can be compared in seconds."""
        hardware = self.conditions.hardware
        if hardware.get("gpu"):
            return f"{hardware.get('processes')} x {hardware['gpu']}"
        threads = hardware.get("threads")
        cpu = f"{hardware.get('processor')}, {hardware.get('instructions')}"
        return f"{cpu}, {threads} thread{'' if threads == 1 else 's'}"


@dataclass(frozen=True)
class StoredEntry:
    """An entry as it lies in a folder.

    Attributes:
        recipe: its spec, with the first seed.
        journals: the checked lines of each seed.
    """

    folder: Path
    entry: Entry
    recipe: ExperimentSpec
    journals: Mapping[int, Sequence[JournalLine]]

    @property
    def name(self) -> str:
        return self.folder.name


def journal_name(seed: int) -> str:
    return f"seed-{seed}.jsonl.gz"


def write_entry(folder: Path, entry: Entry, recipe: ExperimentSpec, journals: Mapping[int, bytes]) -> None:
    """Write the files of an entry into an existing folder.

    Args:
        journals: the content of each seed's metrics.jsonl.
    """
    for seed, content in journals.items():
        write_atomically(folder / journal_name(seed), gzip.compress(content, mtime=0))
    text = yaml.safe_dump(recipe.model_dump(mode="json"), sort_keys=False, allow_unicode=True)
    write_atomically(folder / SPEC, text.encode())
    write_json(folder / ENTRY, with_checksum(entry.model_dump(mode="json")))


def read_entry(folder: Path) -> StoredEntry:
    """Read an entry, each file of which is what it says it is; `check_entry` judges it.

    Raises:
        InputError: a file is missing, damaged or not one of the entry.
    """
    document = read_json(folder / ENTRY)
    if not check_document(document, folder / ENTRY, "take it from the history, or add it anew"):
        raise InputError(f"{folder / ENTRY} does not have its own SHA-256")
    entry: Entry = validate(Entry, document)
    wanted = {ENTRY, SPEC, "README.md", *map(journal_name, entry.seeds)}
    if unknown := sorted({path.name for path in folder.iterdir()} - wanted):
        raise InputError(f"{folder / unknown[0]} is not a file of the entry")
    journals = {run.seed: _journal(folder / journal_name(run.seed), run.journal) for run in entry.runs}
    return StoredEntry(folder, entry, read_spec(folder / SPEC), journals)


def _journal(path: Path, digest: FileDigest) -> list[JournalLine]:
    """Read the journal of one seed.

    Raises:
        InputError: it is missing, not the one of the entry, or not a journal.
    """
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(read_bytes(path))) as file:
            content = file.read(_MOST_BYTES + 1)
    except (OSError, EOFError, zlib.error):
        raise InputError(f"{path} is not a gzip file") from None
    if digest_of(content) != digest:
        raise InputError(f"{path} is not the journal that the entry was made with: its SHA-256 is another")
    return checked_lines(decode(content, path), path)
