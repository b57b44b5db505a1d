"""Notifications: a webhook receives a message when a phase of a run begins, and when training ends.

{"format": 2, "run_id": "3f2a...", "name": "demo", "architecture": "gpt2", "task": "comparison", "seed": 0,
 "split": "test_inferred_ood", "phase": "sustained", "step": 2180, "accuracy": 0.994, "ratio": 3.6,
 "verdict": "grokked", "exit_reason": null, "uri": "s3://lab/runs/demo", "time": "2026-11-21T12:00:00Z",
 "text": "demo, seed 0: test_inferred_ood: sustained at step 2180, 3.6 times as late as the training set: grokked"}

`phase` is memorized (of the split `train`), onset, sustained or collapsed of a held-out split, or, where `split` is
null, ended or diverged; `step` is where it began, `accuracy` that of the split (of the training set where `split` is
null) at the evaluation that confirmed it. Of the phase sustained, `ratio` is T_split / T_train, and `verdict` grokked
where that is at least `evaluation.delay`, else generalized. `text` is what services that show messages to people read.

Format 1 called the phase sustained grokked, and had no verdict.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from grokcore.errors import GrokcoreError
from grokcore.runs.evaluation import Verdict, verdict_of
from grokcore.runs.journal import JournalLine, current_phase
from grokcore.runs.manifest import Manifest
from grokcore.storage import Store
from grokcore.storage.local import home_relative
from grokcore.telemetry.sinks import FAILURES
from grokcore.telemetry.webhook import Webhook, webhook_url

SENT = "notifications.json"
"""In a run's directory: the events that the webhook has received, so that a resumed run does not repeat them."""

GRACE_SECONDS, HURRY_SECONDS = 10.0, 2.0
"""Longest wait for the delivery of the last messages: when training ends, and when it is interrupted."""

FORMAT = 2
"""Of messages, and of the record of those that were sent."""


_TEXTS = {
    "memorized": "training set memorized",
    "onset": "generalization sets in",
    "sustained": "sustained",
    "collapsed": "collapsed",
}


@dataclass(frozen=True)
class Event:
    """The beginning of a phase, or the end of training.

    Attributes:
        split: None for an event of the whole run.
        key: equal for the same event, also after a resume.
    """

    split: str | None
    phase: str
    step: int

    @property
    def key(self) -> str:
        return f"{self.phase} {self.step}" if self.split is None else f"{self.phase} {self.split}"


class Notifications:
    """Sends each event of one run to a webhook once. Training waits for deliveries only at its end, and briefly.

    Call all methods in the thread that trains.
    """

    def __init__(
        self,
        webhook: Webhook,
        store: Store,
        manifest: Manifest,
        lines: Sequence[JournalLine],
        notify: Callable[[str], None],
        *,
        delay: float,
    ) -> None:
        """
        Args:
            store: of the run, where the record of what was sent is kept.
            lines: the journal that the run goes on from. Events in it that were not sent yet are sent now, unless this
                is the first process of the run that has a webhook.
            notify: called with one line, once, if a message could not be delivered.
            delay: `evaluation.delay`, for the verdict on a split that is sustained.
        """
        self._webhook, self._store, self._manifest, self._notify = webhook, store, manifest, notify
        self._delay = delay
        self._warned = self._ended = False
        known = list(events(lines[-1]["phases"])) if lines else []
        delivered = _read_record(store)
        self._delivered = [event.key for event in known] if delivered is None else delivered
        self._sent = set(self._delivered)
        if delivered is None:
            self._write_record()
        elif lines:
            self.show(lines[-1])

    @classmethod
    def of_environment(
        cls,
        store: Store,
        manifest: Manifest,
        lines: Sequence[JournalLine],
        notify: Callable[[str], None],
        *,
        delay: float,
    ) -> Notifications | None:
        """The notifications that `GROKCORE_WEBHOOK_URL` asks for; None without it, and on all ranks but the first.

        Failed deliveries are counted in `grokking_sink_failures_total`.

        Raises:
            InputError: the variable is not the URL of a webhook.
        """
        url = webhook_url()
        if url is None or os.environ.get("RANK", "0") not in ("", "0"):
            return None
        webhook = Webhook(url, on_failure=partial(FAILURES.count, "webhook"))
        return cls(webhook, store, manifest, lines, notify, delay=delay)

    def show(self, line: JournalLine) -> None:
        """Send the events that a new line of the journal confirms."""
        for event in events(line["phases"]):
            self._send(event, line)
        self._warn()

    def end(self, reason: str, line: JournalLine) -> None:
        """Send why training ended; `line` is the last of the journal."""
        self._ended = True
        self._send(Event(None, "diverged" if reason == "diverged" else "ended", line["step"]), line, reason)

    def close(self) -> None:
        """Wait briefly for deliveries under way; an interrupted run sends the rest when it is resumed."""
        self._webhook.close(GRACE_SECONDS if self._ended else HURRY_SECONDS)
        self._warn()

    def _send(self, event: Event, line: JournalLine, reason: str | None = None) -> None:
        if event.key in self._sent:
            return
        self._sent.add(event.key)
        uri = home_relative(self._store.uri)
        self._webhook.send(
            message(event, line, self._manifest, uri, delay=self._delay, reason=reason),
            lambda: self._record(event),
        )

    def _record(self, event: Event) -> None:
        self._delivered.append(event.key)
        self._write_record()

    def _write_record(self) -> None:
        try:
            self._store.write_json(SENT, {"format": FORMAT, "told": self._delivered})
        except GrokcoreError as error:  # at worst a resumed run sends the message again
            self._webhook.problem = self._webhook.problem or f"{SENT} could not be written: {error}"

    def _warn(self) -> None:
        if self._webhook.problem is not None and not self._warned:
            self._warned = True
            self._notify(f"a notification was not delivered; training goes on: {self._webhook.problem}")


def events(phases: Mapping[str, Any]) -> Iterator[Event]:
    """The phases that have begun, by the `phases` of a line of the journal."""
    if phases["memorized"] is not None:
        yield Event("train", "memorized", phases["memorized"])
    for split, begun in phases.items():
        if split != "memorized":
            yield from (Event(split, phase, step) for phase, step in begun.items() if step is not None)


def message(
    event: Event, line: JournalLine, manifest: Manifest, uri: str, *, delay: float, reason: str | None = None
) -> dict[str, Any]:
    """The message for an event; see the head of this file."""
    memorized, sustained = line["phases"]["memorized"], event.phase == "sustained"
    ratio = round(event.step / memorized, 3) if sustained and memorized else None
    verdict = verdict_of(event.step, memorized, None, delay=delay) if sustained else None
    measured = line["train"] if event.split in (None, "train") else line["splits"][event.split]
    choices = manifest.choices
    return {
        "format": FORMAT,
        "run_id": manifest.run_id,
        "name": manifest.name,
        "architecture": choices.get("architecture"),
        "task": choices.get("task.kind"),
        "seed": choices.get("seed"),
        "split": event.split,
        "phase": event.phase,
        "step": event.step,
        "accuracy": measured["accuracy"],
        "ratio": ratio,
        "verdict": verdict,
        "exit_reason": reason,
        "uri": uri,
        "time": datetime.now(UTC).isoformat(timespec="seconds").replace("+00:00", "Z"),
        "text": f"{manifest.name}, seed {choices.get('seed')}: {_text(event, ratio, verdict, reason)}",
    }


def _text(event: Event, ratio: float | None, verdict: Verdict | None, reason: str | None) -> str:
    if event.split is None:
        return f"diverged at step {event.step}" if reason == "diverged" else f"ended at step {event.step} ({reason})"
    split = "" if event.phase == "memorized" else f"{event.split}: "
    late = f", {ratio:.1f} times as late as the training set" if ratio else ""
    outcome = f": {verdict}" if verdict else ""
    return f"{split}{_TEXTS[event.phase]} at step {event.step}{late}{outcome}"


def _read_record(store: Store) -> list[str] | None:
    """Keys of the events that were delivered; None if there is no record that can be read."""
    try:
        record = store.read_json(SENT)
        keys = (str(key).partition(" ") for key in record["told"])
        return [f"{current_phase(phase)} {rest}" for phase, _, rest in keys]
    except (GrokcoreError, KeyError, TypeError):
        return None
