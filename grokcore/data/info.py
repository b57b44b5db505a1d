"""dataset.json: the description of a dataset."""

from __future__ import annotations

from typing import Any, Final, Literal

from pydantic import Field

from grokcore.errors import InputError
from grokcore.spec import TaskSpec, dataset_id, validate
from grokcore.spec.base import Spec
from grokcore.spec.loading import read_task
from grokcore.spec.tasks import GENERATOR_VERSIONS
from grokcore.storage import Store
from grokcore.storage.store import encode_json
from grokcore.tasks import Role

DATASET_FORMAT: Final = 1
INFO_FILE = "dataset.json"
FACTS_FILE = "facts.csv"
"""A user's own facts, where a dataset was made from them: as `grokcore generate --from` reads them, too."""


class SplitInfo(Spec):
    """One split of a dataset."""

    role: Role = Field(description="train, held_out (measures generalization) or diagnostic (only observed)")
    rows: int = Field(ge=1, description="rows of the full split")
    probes: int = Field(ge=1, description="rows in probes.parquet, a random sample of the full split")
    majority_baseline: float = Field(
        ge=0, le=1, description="accuracy of always giving the most common answer of a question's format and attribute"
    )
    chance: float | None = Field(
        None,
        gt=0,
        le=1,
        description="accuracy of a uniform guess among the answers that a question's format admits; null in datasets "
        "of generator 1",
    )


class FileInfo(Spec):
    """One file of a dataset."""

    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="SHA-256 of the file, hexadecimal")
    bytes: int = Field(ge=0, description="size of the file")


class DatasetInfo(Spec):
    """A generated dataset: its task, its sizes and its files."""

    format: Literal[1] = Field(DATASET_FORMAT, description="version of this layout")
    id: str = Field(pattern="^[0-9a-f]{16}$", description="hash of the task and of the generator's version")
    generator_version: int = Field(ge=1, description="version of the generator that made the data")
    task: dict[str, Any] = Field(description="the task's specification, all fields")
    vocabulary_size: int = Field(ge=1, description="number of tokens in vocab.json")
    sequence_length: int = Field(ge=1, description="tokens of the longest question")
    eos: int = Field(ge=0, description="id of the token that closes an answer")
    prefixes: tuple[tuple[int, ...], ...] = Field(description="token ids of beginnings that many questions share")
    supervised: tuple[int, ...] = Field(
        (), description="positions of every question, before its last, at which training asks for the next token, too"
    )
    splits: dict[str, SplitInfo] = Field(description="every split by name")
    files: dict[str, FileInfo] = Field(description="every other file of the dataset by name")

    def current_task(self) -> TaskSpec | None:
        """Return the task, or None if the current generator would make other data from it.

        Raises:
            InputError: the description of the task is invalid.
        """
        if self.generator_version not in GENERATOR_VERSIONS:
            return None
        task = read_task(self.task)
        return task if task.generator_version == self.generator_version else None

    def with_role(self, role: Role) -> list[str]:
        """Names of the splits of one role, in order."""
        return [name for name, split in self.splits.items() if split.role == role]


def encoded(info: DatasetInfo) -> bytes:
    """The content of dataset.json; without `supervised` where only answers are, as in datasets of earlier versions."""
    return encode_json(info.model_dump(mode="json", exclude=None if info.supervised else {"supervised"}))


def read_info(store: Store) -> DatasetInfo:
    """Read the dataset.json of a store, and check that it is consistent.

    Raises:
        InputError: it is absent, damaged, of another format, or its id is not that of its task.
    """
    place = store.uri_of(INFO_FILE)
    document = store.read_json(INFO_FILE)
    if isinstance(document, dict) and document.get("format") != DATASET_FORMAT:
        raise InputError(
            f"{place} has format {document.get('format')!r}, this grokcore reads {DATASET_FORMAT}: generate the data "
            f"set again with this version"
        )
    try:
        info: DatasetInfo = validate(DatasetInfo, document)
        task = info.current_task()
    except InputError as error:
        raise InputError(f"{place} is damaged ({error}): remove {store} and generate it again") from None
    facts = info.files.get(FACTS_FILE)
    if task is not None and getattr(task, "facts", None) != (facts and facts.sha256):
        raise InputError(f"{place} names other facts than it lists: remove {store} and generate it again")
    if task is not None and dataset_id(task) != info.id:
        raise InputError(
            f"{place} says id {info.id}, but its task has id {dataset_id(task)}: it was changed after it was "
            f"generated; remove {store} and generate it again"
        )
    return info
