"""Word of the moment: a webhook is told when a run changes its phase, and when training ends.

{"format": 1, "run_id": "3f2a...", "name": "demo", "architecture": "gpt2", "task": "comparison", "seed": 0,
 "split": "test_inferred_ood", "phase": "grokked", "step": 2180, "accuracy": 0.994, "ratio": 3.6,
 "exit_reason": null, "uri": "s3://lab/runs/demo", "time": "2026-11-21T12:00:00Z",
 "text": "demo, seed 0: test_inferred_ood: sustained at step 2180, 3.6 times as late as the training set"}

`phase` is memorized (of the split `train`), onset, grokked or collapsed of a held-out split, or, where `split` is null,
ended or diverged; `step` is where it began, `accuracy` that of the split (of the training set where `split` is null) at
the evaluation that showed it, `ratio` T_split / T_train. `text` is what services that show messages to people read.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from grokcore.errors import GrokcoreError
from grokcore.runs.journal import JournalLine
from grokcore.runs.manifest import Manifest
from grokcore.storage import Store
from grokcore.storage.local import home_relative
from grokcore.telemetry.sinks import FAILURES
from grokcore.telemetry.webhook import Webhook, webhook_url

TOLD = "notifications.json"
"""In a run's directory: what a webhook has been told, so that a run that is resumed does not repeat it."""

GRACE_SECONDS, HURRY_SECONDS = 10.0, 2.0
"""How long a run waits, at most, for the last messages to be delivered: at its end, and where it was interrupted."""

_WORDS = {
    "memorized": "training set memorised",
    "onset": "generalisation sets in",
    "grokked": "sustained",
    "collapsed": "collapsed",
}


@dataclass(frozen=True)
class Change:
    """A phase that has begun.

    Attributes:
        split: None where it is the run's.
        key: the same for the same change, after a resume too.
    """

    split: str | None
    phase: str
    step: int

    @property
    def key(self) -> str:
        return f"{self.phase} {self.step}" if self.split is None else f"{self.phase} {self.split}"


class Notifications:
    """Tells a webhook of the changes of one run, each once; training waits for nothing but, at its end, a little.

    All methods are called in the thread that trains.
    """

    def __init__(
        self,
        webhook: Webhook,
        store: Store,
        manifest: Manifest,
        lines: Sequence[JournalLine],
        notify: Callable[[str], None],
    ) -> None:
        """
        Args:
            store: of the run, to note there what has been told.
            lines: the journal that the run goes on from. What stands in it and was never told, is told now; but
                nothing, where this is the first process of the run that has a webhook.
            notify: called with a line, once, when a message could not be delivered.
        """
        self._webhook, self._store, self._manifest, self._notify = webhook, store, manifest, notify
        self._warned = self._ended = False
        reached = list(changes(lines[-1]["phases"])) if lines else []
        told = _read_told(store)
        self._told = [change.key for change in reached] if told is None else told
        self._sent = set(self._told)
        if told is None:
            self._note()
        elif lines:
            self.show(lines[-1])

    @classmethod
    def of_environment(
        cls,
        store: Store,
        manifest: Manifest,
        lines: Sequence[JournalLine],
        notify: Callable[[str], None],
    ) -> Notifications | None:
        """Those that `GROKCORE_WEBHOOK_URL` asks for; of several ranks only the first has them.

        Messages that cannot be delivered are counted among the failures of this process.

        Raises:
            InputError: the variable holds no URL of a webhook.
        """
        url = webhook_url()
        if url is None or os.environ.get("RANK", "0") not in ("", "0"):
            return None
        return cls(Webhook(url, on_failure=partial(FAILURES.count, "webhook")), store, manifest, lines, notify)

    def show(self, line: JournalLine) -> None:
        """Tell of the phases that a new line of the journal shows."""
        for change in changes(line["phases"]):
            self._tell(change, line)
        self._warn()

    def end(self, reason: str, line: JournalLine) -> None:
        """Tell why training has ended, and where; `line` is the last of the journal."""
        self._ended = True
        self._tell(Change(None, "diverged" if reason == "diverged" else "ended", line["step"]), line, reason)

    def close(self) -> None:
        """Wait a little for what is on its way; a run that was interrupted tells the rest once it goes on."""
        self._webhook.close(GRACE_SECONDS if self._ended else HURRY_SECONDS)
        self._warn()

    def _tell(self, change: Change, line: JournalLine, reason: str | None = None) -> None:
        if change.key in self._sent:
            return
        self._sent.add(change.key)
        self._webhook.send(
            message(change, line, self._manifest, home_relative(self._store.uri), reason),
            lambda: self._delivered(change),
        )

    def _delivered(self, change: Change) -> None:
        self._told.append(change.key)
        self._note()

    def _note(self) -> None:
        try:
            self._store.write_json(TOLD, {"format": 1, "told": self._told})
        except GrokcoreError as error:  # at worst a run that is resumed says it again
            self._webhook.problem = self._webhook.problem or f"it could not be noted what it was told: {error}"

    def _warn(self) -> None:
        if self._webhook.problem is not None and not self._warned:
            self._warned = True
            self._notify(f"the webhook was not told of a change; training goes on: {self._webhook.problem}")


def changes(phases: Mapping[str, Any]) -> Iterator[Change]:
    """What has begun by a line of the journal, whose `phases` these are."""
    if phases["memorized"] is not None:
        yield Change("train", "memorized", phases["memorized"])
    for split, begun in phases.items():
        if split != "memorized":
            yield from (Change(split, phase, step) for phase, step in begun.items() if step is not None)


def message(
    change: Change, line: JournalLine, manifest: Manifest, uri: str, reason: str | None = None
) -> dict[str, Any]:
    """What the webhook is sent."""
    memorized = line["phases"]["memorized"]
    ratio = round(change.step / memorized, 3) if change.phase == "grokked" and memorized else None
    measured = line["train"] if change.split in (None, "train") else line["splits"][change.split]
    choices = manifest.choices
    return {
        "format": 1,
        "run_id": manifest.run_id,
        "name": manifest.name,
        "architecture": choices.get("architecture"),
        "task": choices.get("task.kind"),
        "seed": choices.get("seed"),
        "split": change.split,
        "phase": change.phase,
        "step": change.step,
        "accuracy": measured["accuracy"],
        "ratio": ratio,
        "exit_reason": reason,
        "uri": uri,
        "time": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "text": f"{manifest.name}, seed {choices.get('seed')}: {_sentence(change, ratio, reason)}",
    }


def _sentence(change: Change, ratio: float | None, reason: str | None) -> str:
    if change.split is None:
        return f"diverged at step {change.step}" if reason == "diverged" else f"ended at step {change.step} ({reason})"
    which = "" if change.phase == "memorized" else f"{change.split}: "
    late = f", {ratio:.1f} times as late as the training set" if ratio else ""
    return f"{which}{_WORDS[change.phase]} at step {change.step}{late}"


def _read_told(store: Store) -> list[str] | None:
    """None where nothing was ever told, as far as can be read."""
    try:
        record = store.read_json(TOLD)
        return [str(key) for key in record["told"]]
    except (GrokcoreError, KeyError, TypeError):
        return None
