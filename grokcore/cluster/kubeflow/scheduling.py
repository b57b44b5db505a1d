"""Recurring runs, known by their names: the same request changes nothing, another one takes the old one's place."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from grokcore.cluster.kubeflow.api import KubeflowApi
from grokcore.cluster.kubeflow.records import Schedule, Version
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
