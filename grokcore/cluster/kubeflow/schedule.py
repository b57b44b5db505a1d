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
    """
    Attributes:
        made: False where just this was scheduled already.
        replaced: how many schedules of other content it took the place of.
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
    """A schedule of `name` that starts this version with these parameters.

    What it does is kept as a digest in its description. The new one is made before the old ones are put away, so that
    whoever is interrupted between the two has a schedule, and the next call puts the rest away.
    """
    experiment = api.ensure_experiment()
    when = cron if cron is not None else f"every {interval} s"
    content = fingerprint([version.name, dict(parameters), when, service_account])
    mark = f"content {content}"
    found = api.schedules(experiment, name=name)
    # Of several of the same content, one that is enabled.
    same = sorted((entry for entry in found if mark in entry.description), key=lambda entry: not entry.enabled)
    if same:
        chosen = same[0]
    else:
        chosen = api.create_schedule(
            name,
            version,
            parameters,
            cron=cron,
            interval=interval,
            experiment_id=experiment,
            service_account=service_account,
            description=f"{version.name}, {mark}; made by grokcore pipeline schedule",
        )
    others = [entry for entry in found if entry.id != chosen.id]
    if not chosen.enabled and any(other.enabled for other in others):
        api.enable_schedule(chosen.id)  # what it was disabled for is now to go itself
    elif same and not chosen.enabled:
        notify(f"schedule {name} is disabled, and stays so: enable it at {api.connection.schedule_page(chosen.id)}")
    for other in others:
        put_away(api, experiment, other, notify)
    return Scheduled(chosen, made=not same, replaced=len(others))


def unschedule(api: KubeflowApi, name: str, notify: Callable[[str], None] = lambda line: None) -> int:
    """Put all schedules of a name away.

    Returns:
        How many there were.
    """
    experiment = api.experiment()
    if experiment is None:
        return 0
    found = api.schedules(experiment, name=name)
    for entry in found:
        put_away(api, experiment, entry, notify)
    return len(found)


def put_away(
    api: KubeflowApi, experiment: str, entry: Schedule, notify: Callable[[str], None] = lambda line: None
) -> None:
    """Disable a schedule, and delete it unless one of its runs goes on.

    Kubernetes ends the running runs of a schedule that is deleted, which would throw away days of training.
    """
    if entry.enabled:
        api.disable_schedule(entry.id)
    going = [run for run in api.runs(experiment) if run.schedule == entry.id and not run.ended]
    if going:
        notify(
            f"schedule {entry.name} ({entry.id}) is disabled and not deleted, since that could end its run "
            f"{going[0].id}: the same command deletes it later"
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
"""Seconds between two runs, at least; a pod takes longer to start."""


def six_fields(expression: str) -> str:
    """The expression in the six fields of Kubeflow, which begin with seconds; the five of crontab begin at second 0.

    Raises:
        InputError: in one line, the field that is wrong and what it may be.
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
                    f"--cron {expression!r}: {name} is {item!r}, and must be *, {lowest} to {highest}{extra}, a range "
                    f"such as {lowest}-{highest}, or one of these with a step such as */2"
                )
    return " ".join(parts)


def seconds(interval: str) -> int:
    """`6h`, `90m` or `3600` as seconds.

    Raises:
        InputError: it is none, or too short.
    """
    match = re.fullmatch(r"(\d{1,9})([smhd]?)", interval.strip())
    if match is None:
        raise InputError(f"--interval {interval!r} must be seconds, or a number with s, m, h or d: 6h")
    length = int(match[1]) * _UNITS[match[2] or "s"]
    if length < SHORTEST:
        raise InputError(f"--interval {interval!r} is {length} s: it must be {SHORTEST} s at least")
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
