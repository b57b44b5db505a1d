"""Progress of a run as text: a status line, and a line for each phase that begins."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from grokcore.runs.journal import JournalLine


def progress_line(line: JournalLine, max_steps: int, width: int) -> str:
    """Format step, accuracies, rate and time left, as many of them as fit into `width` columns."""
    step, clock = line["step"], line["clock"]
    parts = [f"step {step:>{len(str(max_steps))}}/{max_steps}", f"train {accuracy_text(line['train']['accuracy'])}"]
    parts += [
        f"{short_name(split)} {accuracy_text(line['splits'][split]['accuracy'])}"
        for split in line["phases"]
        if split != "memorized"
    ]
    rate = clock.get("steps_per_second")
    if rate:
        parts += [rate_text(rate), f"{duration((max_steps - step) / rate)} left"]
    return fitting(parts, width)


def fitting(parts: Sequence[str], width: int) -> str:
    """Join as many of the parts as fit into `width` columns."""
    text = parts[0][:width]
    for part in parts[1:]:
        if len(text) + 2 + len(part) > width:
            break
        text += f"  {part}"
    return text


def phase_events(before: Mapping[str, Any], now: Mapping[str, Any]) -> list[str]:
    """Describe the phases that `now` has and `before` had not, a line each."""
    events = []
    memorized = now["memorized"]
    if memorized is not None and before.get("memorized") is None:
        events.append(f"* training set memorized at step {memorized}")
    for split, phases in now.items():
        if split == "memorized":
            continue
        known = before.get(split, {})
        if phases["onset"] is not None and known.get("onset") is None:
            events.append(f"* {split}: generalization sets in at step {phases['onset']}")
        if phases["sustained"] is not None and known.get("sustained") is None:
            late = f", {phases['sustained'] / memorized:.1f} x the time to memorize" if memorized else ""
            events.append(f"* {split}: sustained at step {phases['sustained']}{late}")
        if phases["collapsed"] is not None and known.get("collapsed") is None:
            events.append(f"* {split}: collapsed at step {phases['collapsed']}")
    return events


def short_name(split: str) -> str:
    return split.removeprefix("test_inferred_")


def accuracy_text(accuracy: float | None) -> str:
    return " nan" if accuracy is None else f"{accuracy:.3f}"


def rate_text(steps_per_second: float) -> str:
    return f"{steps_per_second:.3g} steps/s" if steps_per_second < 1000 else f"{steps_per_second:.0f} steps/s"


def duration(seconds: float) -> str:
    minutes, seconds = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{seconds:02d}" if hours else f"{minutes}:{seconds:02d}"
