"""Recurring runs, identified by name: an identical request changes nothing, a different one replaces the schedule."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from grokcore.cluster.kubeflow.api import KubeflowApi
from grokcore.cluster.kubeflow.records import Schedule, Version
from grokcore.errors import InputError
from grokcore.spec.experiment import fingerprint


@dataclass(frozen=True)
class Scheduled:
    """Result of `schedule`.

    Attributes:
        made: False if an identical schedule existed.
        replaced: number of different schedules that it replaced.
    """

    schedule: Schedule
    made: bool
    replaced: int


def schedule(
    api: KubeflowApi,
    name: str,
    version: Version,
    parameters: Mapping[str, Any],
    *,
    cron: str | None,
    interval: int | None,
    service_account: str,
    notify: Callable[[str], None] = lambda line: None,
) -> Scheduled:
    """Ensure that exactly one schedule of `name` exists, which starts this version with these parameters.

    A digest of its content is kept in its description. The new schedule is created before the old ones are removed: an
    interrupted call leaves a schedule behind, and the next call removes the rest.
    """
    experiment = api.ensure_experiment()
    when = cron if cron is not None else f"every {interval} s"
    content = fingerprint([version.name, dict(parameters), when, service_account])
    digest = f"content {content}"
    found = api.schedules(experiment, name=name)
    # Among identical schedules, prefer an enabled one.
    same = sorted((entry for entry in found if digest in entry.description), key=lambda entry: not entry.enabled)
    if same:
        kept = same[0]
    else:
        kept = api.create_schedule(
            name,
            version,
            parameters,
            cron=cron,
            interval=interval,
            experiment_id=experiment,
            service_account=service_account,
            description=f"{version.name}, {digest}; made by grokcore pipeline schedule",
        )
    others = [entry for entry in found if entry.id != kept.id]
    if not kept.enabled and any(other.enabled for other in others):
        api.enable_schedule(kept.id)  # it was disabled in favor of one that is now removed
    elif same and not kept.enabled:
        notify(f"schedule {name} is disabled: enable it at {api.connection.schedule_page(kept.id)}")
    for other in others:
        remove(api, experiment, other, notify)
    return Scheduled(kept, made=not same, replaced=len(others))


def unschedule(api: KubeflowApi, name: str, notify: Callable[[str], None] = lambda line: None) -> int:
    """Remove all schedules of a name.

    Returns:
        Their number.
    """
    experiment = api.experiment()
    if experiment is None:
        return 0
    found = api.schedules(experiment, name=name)
    for entry in found:
        remove(api, experiment, entry, notify)
    return len(found)


def remove(
    api: KubeflowApi, experiment: str, entry: Schedule, notify: Callable[[str], None] = lambda line: None
) -> None:
    """Disable a schedule, and delete it unless one of its runs is active.

    Kubernetes ends the active runs of a deleted schedule, which would discard days of training.
    """
    if entry.enabled:
        api.disable_schedule(entry.id)
    active = [run for run in api.runs(experiment) if run.schedule == entry.id and not run.ended]
    if active:
        notify(
            f"schedule {entry.name} ({entry.id}) is disabled but not deleted, which could end its active run "
            f"{active[0].id}: repeat the command later to delete it"
        )
        return
    api.delete_schedule(entry.id)


_FIELDS = (
    ("second", 0, 59, ()),
    ("minute", 0, 59, ()),
    ("hour", 0, 23, ()),
    ("day of the month", 1, 31, ()),
    ("month", 1, 12, ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")),
    ("day of the week", 0, 6, ("sun", "mon", "tue", "wed", "thu", "fri", "sat")),
)
_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
SHORTEST = 60
"""Minimum seconds between runs; a pod takes longer to start."""


def kubeflow_cron(expression: str) -> str:
    """Convert a cron expression of five fields to Kubeflow's six, with second 0 first; six are validated.

    Raises:
        InputError: a field has an invalid value, or the expression is due more than once a minute, or never.
    """
    parts = expression.split()
    if len(parts) == 5:
        parts = ["0", *parts]
    if len(parts) != 6:
        raise InputError(
            f"--cron {expression!r} has {len(parts)} fields: it needs 5 (minute, hour, day of the month, month, day of "
            f'the week), for example "30 2 * * 1", or 6 with seconds first'
        )
    for part, (name, lowest, highest, words) in zip(parts, _FIELDS, strict=True):
        for item in part.split(","):
            if not _fits(item.lower(), lowest, highest, words):
                extra = f" or {words[0]} to {words[-1]}" if words else ""
                raise InputError(
                    f"--cron {expression!r}: {name} is {item!r} but must be *, {lowest} to {highest}{extra}, a range "
                    f"such as {lowest}-{highest}, or one of these with a step such as */2"
                )
    seconds = _values(parts[0].lower(), 0, 59)
    if len(seconds) > 1:
        gap = min((later - earlier) % 60 for earlier, later in zip(seconds, [*seconds[1:], seconds[0]], strict=True))
        raise InputError(
            f"--cron {expression!r} is due every {gap} s within a minute but must be at most once a minute: give one "
            "second, such as 0"
        )
    if parts[5] in "*?" and not _has_a_day(parts[3].lower(), parts[4].lower()):
        raise InputError(f"--cron {expression!r} is never due: none of its months has such a day")
    return " ".join(parts)


def _values(field: str, lowest: int, highest: int, words: tuple[str, ...] = ()) -> list[int]:
    """All values of a valid field, ascending."""
    found: set[int] = set()
    for item in field.split(","):
        ends, _, step = item.partition("/")
        first, _, last = ends.partition("-")
        if first in "*?":
            low, high = lowest, highest
        else:
            low = _number(first, lowest, highest, words) or 0
            # A step without an end counts on to the highest value.
            high = (_number(last, lowest, highest, words) or 0) if last else highest if step else low
        found.update(range(low, high + 1, int(step or 1)))
    return sorted(found)


def _has_a_day(days: str, months: str) -> bool:
    longest = dict.fromkeys((1, 3, 5, 7, 8, 10, 12), 31) | dict.fromkeys((4, 6, 9, 11), 30) | {2: 29}
    first = _values(days, 1, 31)[0]
    return any(first <= longest[month] for month in _values(months, 1, 12, _FIELDS[4][3]))


def interval_seconds(interval: str) -> int:
    """Parse `6h`, `90m` or `3600` to seconds.

    Raises:
        InputError: malformed or too short.
    """
    match = re.fullmatch(r"(\d{1,9})([smhd]?)", interval.strip())
    if match is None:
        raise InputError(
            f"--interval {interval!r} must be a number of seconds, or a number with s, m, h or d such as 6h"
        )
    length = int(match[1]) * _UNITS[match[2] or "s"]
    if length < SHORTEST:
        raise InputError(f"--interval {interval!r} is {length} s but must be at least {SHORTEST} s")
    return length


def _fits(item: str, lowest: int, highest: int, words: tuple[str, ...]) -> bool:
    match = re.fullmatch(r"(?P<first>\*|\?|\w+)(-(?P<last>\w+))?(/(?P<step>\d{1,4}))?", item, re.ASCII)
    if match is None or (match["step"] is not None and int(match["step"]) == 0):
        return False
    if match["first"] in "*?":
        return match["last"] is None
    ends = [_number(end, lowest, highest, words) for end in (match["first"], match["last"]) if end is not None]
    return None not in ends and ends == sorted(end for end in ends if end is not None)


def _number(text: str, lowest: int, highest: int, words: tuple[str, ...]) -> int | None:
    if text in words:
        return words.index(text) + lowest
    return int(text) if text.isdigit() and lowest <= int(text) <= highest else None
