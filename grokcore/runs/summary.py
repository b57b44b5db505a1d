"""`summary.json`: all that a list shows of a run that has ended, in one small file beside the manifest.

It names the sizes of the manifest and the journal that it was made from. Where these differ, the run has gone on since,
and readers go by manifest and journal, as they do for runs of versions that wrote no summary.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from grokcore.documents import decode_json
from grokcore.runs.journal import JOURNAL
from grokcore.runs.manifest import MANIFEST, ExitReason, Manifest
from grokcore.storage import Store

SUMMARY = "summary.json"


class Summary(BaseModel):
    """The content of summary.json."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    format: Literal[1] = 1
    run_id: str
    name: str
    architecture: str | None = Field(description="model.architecture")
    task: str | None = Field(description="task.kind")
    seed: int | None
    step: int | None = Field(description="of the last evaluation; null where there is none")
    exit_reason: ExitReason | None = Field(description="why training ended; null while it runs")
    sizes: dict[str, int] = Field({}, description="bytes of manifest.json and metrics.jsonl that it was made from")

    @classmethod
    def of(cls, manifest: Manifest, step: int | None, sizes: Mapping[str, int] = {}) -> Summary:
        """Return the summary of a run whose last evaluation was at `step`."""
        choices = manifest.choices
        seed = choices.get("seed")
        return cls(
            run_id=manifest.run_id,
            name=manifest.name,
            architecture=_text(choices.get("architecture")),
            task=_text(choices.get("task.kind")),
            seed=seed if isinstance(seed, int) else None,
            step=step,
            exit_reason=manifest.exit_reason,
            sizes=dict(sizes),
        )

    def is_of(self, sizes: Mapping[str, int]) -> bool:
        """Whether it was made from the manifest and the journal that a run has now, by their bytes."""
        return self.sizes == {name: sizes.get(name) for name in (MANIFEST, JOURNAL)}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None


def write_summary(run: Store, manifest: Manifest, step: int, sizes: Mapping[str, int]) -> None:
    """Write the summary of a run whose manifest and journal are complete."""
    run.write_json(SUMMARY, Summary.of(manifest, step, sizes).model_dump(mode="json"))


def read_summary(store: Store, key: str = SUMMARY) -> Summary | None:
    """Read the summary of a run; None if it is absent or cannot be read.

    Raises:
        DeniedError: it may not be read.
        TransientError: the store did not answer.
    """
    try:
        return Summary.model_validate(decode_json(store.read(key)))
    except (ValueError, RecursionError):  # which pydantic's errors and InputError are
        return None
