"""Progress of a training where it runs: a bar that a notebook updates in its place, or the view of a terminal."""

from __future__ import annotations

import sys
import time
from html import escape
from typing import TYPE_CHECKING, Any, TextIO

from grokcore.storage import open_store
from grokcore.terminal.display import RunDisplay
from grokcore.terminal.status import duration

if TYPE_CHECKING:
    from grokcore.training import TrainingContext


class Progress:
    """A callback of `train_model` that shows step, accuracies, phases and the time that is left.

        grokcore.train_model(spec, "data", "run", callbacks=[grokcore.Progress()])

    In a notebook it is one output that changes with each evaluation; elsewhere it is what `grokcore train` shows on
    stderr. It asks for no model and ends nothing.

    Args:
        stream: where to show it outside of a notebook.
    """

    def __init__(self, stream: TextIO | None = None) -> None:
        self._stream = sys.stderr if stream is None else stream
        self._handle: Any = None
        self._display: RunDisplay | None = None
        self._name, self._budget = "", 0
        self._line: dict[str, Any] = {}
        self._began: tuple[float, int] | None = None

    def __call__(self, context: TrainingContext) -> None:
        """Show an evaluation; another run, or the same once more, gets a bar of its own."""
        self._name, self._line, self._budget = context.spec.name, context.line, context.spec.training.max_steps
        if in_notebook():
            self._update("")
            return
        if self._display is None:
            self._display = RunDisplay(self._stream, open_store(context.run_uri), max_steps=self._budget)
        self._display.show(context.line)

    def end(self, reason: str) -> None:
        """Leave the last view standing, with the reason why training has ended."""
        if self._display is not None:
            self._display.end(reason)
            self._display.close()
        elif self._handle is not None:
            self._update(f" · {reason}")
        self._handle, self._display, self._began = None, None, None

    def _update(self, ended: str) -> None:
        from IPython.display import HTML, display

        now, step = time.monotonic(), self._line["step"]
        began, first = self._began = self._began or (now, step)
        left = "" if step <= first else f" · {duration((self._budget - step) * (now - began) / (step - first))} left"
        shown = HTML(bar_html(self._name, self._line, self._budget, ended or left))
        if self._handle is None:
            self._handle = display(shown, display_id=True)
        else:
            self._handle.update(shown)


def in_notebook() -> bool:
    """Whether this process is a notebook's kernel, by what it has loaded: a terminal's IPython is none."""
    shell = getattr(sys.modules.get("IPython"), "get_ipython", lambda: None)()
    return shell is not None and getattr(shell, "kernel", None) is not None


def bar_html(name: str, line: dict[str, Any], budget: int, rest: str) -> str:
    """Return the bar and, below it, a row of accuracies and phases by split."""
    phases = line["phases"]
    measured = {
        "training set": line["train"],
        **{split: line["splits"][split] for split in phases if split in line["splits"]},
    }
    parts = []
    for split, measure in measured.items():
        accuracy = "not finite" if measure["accuracy"] is None else f"{measure['accuracy']:.3f}"
        memorized = split == "training set" and phases["memorized"] is not None
        reached = {"memorized": phases["memorized"]} if memorized else phases.get(split, {})
        told = ", ".join(f"{phase} at {step:,}" for phase, step in reached.items() if step is not None)
        parts.append(f"{escape(split)} <b>{accuracy}</b>{f' ({told})' if told else ''}")
    size = f'max="{budget}" value="{line["step"]}" style="width: 40%; vertical-align: middle"'
    at = f"step {line['step']:,} of {budget:,}{escape(rest)}"
    return f"<div>{escape(name)} <progress {size}></progress> {at}</div><div>{' · '.join(parts)}</div>"
