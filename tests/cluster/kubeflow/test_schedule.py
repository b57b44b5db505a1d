"""Recurring runs: one of a name, replaced when its content changes, and its running runs left alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from grokcore.cli import main
from grokcore.cluster.kubeflow.errors import UnavailableError
from grokcore.cluster.kubeflow.form import filled_in
from grokcore.cluster.kubeflow.package import PipelinePackage
from grokcore.cluster.kubeflow.schedule import Scheduled, interval_seconds, kubeflow_cron, schedule, unschedule
from grokcore.cluster.kubeflow.submit import upload
from grokcore.errors import InputError
from tests.cluster.kubeflow.conftest import Kubeflow
from tests.servers.grpc_gateway import Fault

WEEKLY = ["pipeline", "schedule", "grokking_experiment", "--preset", "smoke", "--cron", "30 2 * * 1"]


def scheduled(
    kubeflow: Kubeflow,
    package: PipelinePackage,
    *,
    cron: str = "0 30 2 * * 1",
    entries: dict[str, str] | None = None,
    lines: list[str] | None = None,
) -> Scheduled:
    api, told = kubeflow.api(), [] if lines is None else lines
    return schedule(
        api,
        "nightly",
        upload(api, package).version,
        filled_in(package, entries or {}),
        cron=cron,
        interval=None,
        service_account="grokcore",
        notify=told.append,
    )


def test_a_schedule_starts_just_what_was_asked_for_one_run_at_a_time(
    kubeflow: Kubeflow, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*WEEKLY, "--param", "seed=2", "--name", "monday", *kubeflow.flags]) == 0
    (made,) = kubeflow.server.schedules.values()
    assert made["display_name"] == "monday"
    assert made["trigger"] == {"cron_schedule": {"cron": "0 30 2 * * 1"}}
    assert (made["max_concurrency"], made["no_catchup"], made["mode"]) == ("1", True, "ENABLE")
    assert made["service_account"] == "grokcore"
    parameters = made["runtime_config"]["parameters"]
    assert (parameters["preset"], parameters["seed"]) == ("smoke", 2)
    shown = capsys.readouterr().out
    assert "cron 0 30 2 * * 1 (seconds first), UTC unless" in shown, "five fields were given, and six are used"
    assert parameters["schedule"] == "monday", "monitoring tells schedules of one pipeline apart"
    assert f"/#/recurringrun/details/{made['recurring_run_id']}" in shown


def test_an_interval_is_a_schedule_as_well(kubeflow: Kubeflow, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pipeline", "schedule", "grokking_experiment", "--interval", "7d", "--json", *kubeflow.flags]) == 0
    (made,) = kubeflow.server.schedules.values()
    assert made["trigger"] == {"periodic_schedule": {"interval_second": "604800"}}
    facts = json.loads(capsys.readouterr().out)
    assert (facts["when"], facts["made"], facts["name"]) == ("every 604800 s", True, "grokking-experiment")


def test_the_same_content_does_nothing(kubeflow: Kubeflow, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*WEEKLY, *kubeflow.flags]) == 0
    first = capsys.readouterr()
    before = len(kubeflow.server.made("POST"))
    assert main([*WEEKLY, "--param", "seed=0", *kubeflow.flags]) == 0
    second = capsys.readouterr()
    assert "already scheduled, unchanged" in second.err
    assert second.out == first.out
    assert len(kubeflow.server.made("POST")) == before


@pytest.mark.parametrize(
    "changed",
    [
        ["--param", "seed=1"],
        ["--cron", "0 3 * * *"],
        ["--service-account", "other"],
    ],
)
def test_changed_content_takes_the_place_of_the_old(
    changed: list[str], direct: Kubeflow, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*WEEKLY, *direct.flags]) == 0
    (old,) = direct.server.schedules
    assert main([*WEEKLY, *changed, *direct.flags]) == 0
    (new,) = direct.server.schedules
    assert new != old
    assert "replaced 1 earlier schedule" in capsys.readouterr().err
    changes = [request.split("?")[0] for request in direct.server.requests if "recurringruns" in request]
    made, disabled, deleted = (
        len(changes) - 1 - changes[::-1].index(request)
        for request in (
            "POST /apis/v2beta1/recurringruns",
            f"POST /apis/v2beta1/recurringruns/{old}:disable",
            f"DELETE /apis/v2beta1/recurringruns/{old}",
        )
    )
    assert made < disabled < deleted, "there is never no schedule"
    assert direct.server.made(f"DELETE /apis/v2beta1/recurringruns/{old}?propagation_policy=ORPHAN")


def test_another_version_of_the_pipeline_is_other_content(
    direct: Kubeflow, package: PipelinePackage, other_package: PipelinePackage
) -> None:
    assert scheduled(direct, package).made
    done = scheduled(direct, other_package)
    assert (done.made, done.replaced) == (True, 1)
    (made,) = direct.server.schedules.values()
    version = direct.server.versions[made["pipeline_version_reference"]["pipeline_version_id"]]
    assert version["name"] == other_package.version


def test_a_run_that_goes_on_is_not_ended_by_the_schedule_s_replacement(
    kubeflow: Kubeflow, package: PipelinePackage
) -> None:
    """Kubernetes ends the runs of a schedule that is deleted, so it is disabled first and deleted later."""
    old = scheduled(kubeflow, package).schedule
    experiment = next(iter(kubeflow.server.experiments))
    run = kubeflow.server.add_run(
        display_name="a run", experiment_id=experiment, recurring_run_id=old.id, state="RUNNING"
    )
    lines: list[str] = []
    new = scheduled(kubeflow, package, entries={"seed": "1"}, lines=lines).schedule
    assert {id_: entry["status"] for id_, entry in kubeflow.server.schedules.items()} == {
        old.id: "DISABLED",
        new.id: "ENABLED",
    }
    (line,) = lines
    assert line.startswith(f"schedule nightly ({old.id}) is disabled but not deleted, which could end its active run")
    assert run["run_id"] in line
    kubeflow.server.runs[run["run_id"]]["state"] = "SUCCEEDED"
    again = scheduled(kubeflow, package, entries={"seed": "1"})
    assert (again.made, again.replaced) == (False, 1)
    assert list(kubeflow.server.schedules) == [new.id]


def test_going_back_to_content_that_was_disabled_enables_it(direct: Kubeflow, package: PipelinePackage) -> None:
    old = scheduled(direct, package).schedule
    experiment = next(iter(direct.server.experiments))
    direct.server.add_run(display_name="a run", experiment_id=experiment, recurring_run_id=old.id, state="RUNNING")
    new = scheduled(direct, package, entries={"seed": "1"}).schedule
    back = scheduled(direct, package)
    assert back.schedule.id == old.id
    assert {id_: entry["status"] for id_, entry in direct.server.schedules.items()} == {old.id: "ENABLED"}
    assert new.id not in direct.server.schedules


def test_what_somebody_has_disabled_stays_disabled(direct: Kubeflow, package: PipelinePackage) -> None:
    made = scheduled(direct, package).schedule
    direct.server.schedules[made.id]["status"] = "DISABLED"
    lines: list[str] = []
    done = scheduled(direct, package, lines=lines)
    assert (done.made, done.replaced) == (False, 0)
    assert direct.server.schedules[made.id]["status"] == "DISABLED"
    assert "is disabled: enable it at" in lines[0]


def test_whoever_is_interrupted_between_making_and_putting_away_is_helped_by_the_next_call(
    direct: Kubeflow, package: PipelinePackage
) -> None:
    old = scheduled(direct, package).schedule
    direct.server.faults = [Fault(":disable")]
    with pytest.raises(UnavailableError):
        scheduled(direct, package, entries={"seed": "1"})
    assert len(direct.server.schedules) == 2
    done = scheduled(direct, package, entries={"seed": "1"})
    assert (done.made, done.replaced) == (False, 1)
    assert old.id not in direct.server.schedules
    assert len(direct.server.schedules) == 1


def test_schedules_of_other_names_are_left_alone(direct: Kubeflow, package: PipelinePackage) -> None:
    scheduled(direct, package)
    assert main([*WEEKLY, "--name", "another", *direct.flags]) == 0
    assert sorted(entry["display_name"] for entry in direct.server.schedules.values()) == ["another", "nightly"]
    assert unschedule(direct.api(), "another") == 1
    assert [entry["display_name"] for entry in direct.server.schedules.values()] == ["nightly"]


def test_remove_takes_the_schedule_that_the_same_command_makes(
    kubeflow: Kubeflow, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*WEEKLY, *kubeflow.flags]) == 0
    capsys.readouterr()
    remove = ["pipeline", "schedule", "grokking_experiment", "--remove", *kubeflow.flags]
    assert main(remove) == 0
    assert capsys.readouterr().out == "removed schedule grokking-experiment\n"
    assert kubeflow.server.schedules == {}
    assert main(remove) == 0
    assert capsys.readouterr().out == "no schedule grokking-experiment: nothing removed\n"


def test_list_shows_the_schedules(kubeflow: Kubeflow, capsys: pytest.CaptureFixture[str]) -> None:
    listing = ["pipeline", "schedule", "--list", *kubeflow.flags]
    assert main(listing) == 0
    assert "no schedules in the experiment grokcore" in capsys.readouterr().err
    assert main([*WEEKLY, *kubeflow.flags]) == 0
    capsys.readouterr()
    assert main(listing) == 0
    assert "0 30 2 * * 1" in capsys.readouterr().out
    (made,) = kubeflow.server.schedules.values()
    made["status"] = "DISABLED"
    assert main(listing) == 0
    assert "disabled: 0 30 2 * * 1" in capsys.readouterr().out
    assert main([*listing, "--json"]) == 0
    assert [entry["enabled"] for entry in json.loads(capsys.readouterr().out)] == [False]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ([], "name a pipeline:"),
        (["--remove"], "name the schedule:"),
        (["grokking_experiment"], 'give --cron "30 2 * * 1" or --interval 7d'),
        (["grokking_experiment", "--cron", "* * *"], "has 3 fields"),
        (["grokking_experiment", "--interval", "10"], "must be at least 60 s"),
        (["grokking_experiment", "--interval", "6h", "--set", "model.layer=2"], "did you mean layers?"),
        (["grokking_experiment", "--interval", "6h", "--param", "x=2"], "has no parameter 'x'"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(
    arguments: list[str], said: str, direct: Kubeflow, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pipeline", "schedule", *arguments, *direct.flags]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert direct.server.requests == []


@pytest.mark.parametrize(
    ("given", "used"),
    [
        ("30 2 * * 1", "0 30 2 * * 1"),
        ("0 30 2 * * 1", "0 30 2 * * 1"),
        ("  */15 * * * MON-FRI ", "0 */15 * * * MON-FRI"),
        ("0 0 1,15 jan-jun ?", "0 0 0 1,15 jan-jun ?"),
        ("0 0-6/2 * * 0", "0 0 0-6/2 * * 0"),
    ],
)
def test_cron_of_five_fields_begins_at_second_0(given: str, used: str) -> None:
    assert kubeflow_cron(given) == used


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("", "has 0 fields"),
        ("@daily", "has 1 fields"),
        ("1 2 3 4 5 6 7", "has 7 fields"),
        ("60 * * * *", "minute is '60' but must be *, 0 to 59"),
        ("* 24 * * *", "hour is '24'"),
        ("* * 0 * *", "day of the month is '0'"),
        ("* * * 13 *", "month is '13' but must be *, 1 to 12 or jan to dec"),
        ("* * * * 7", "day of the week is '7' but must be *, 0 to 6 or sun to sat"),
        ("*/0 * * * *", "minute is '*/0'"),
        ("30-10 * * * *", "minute is '30-10'"),
        ("*-5 * * * *", "minute is '*-5'"),
        ("1, * * * *", "minute is ''"),
        ("a * * * *", "minute is 'a'"),
        ("-1 * * * *", "minute is '-1'"),
    ],
)
def test_a_wrong_cron_names_the_field_and_what_it_may_be(given: str, said: str) -> None:
    with pytest.raises(InputError) as refused:
        kubeflow_cron(given)
    assert said in str(refused.value)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("* * * * * *", "is due every 1 s"),
        ("*/30 * * * * *", "is due every 30 s"),
        ("0,59 0 2 * * *", "is due every 1 s"),
        ("10-12 0 2 * * *", "is due every 1 s"),
        ("50/5 * * * * *", "is due every 5 s"),
        ("? 0 2 * * *", "is due every 1 s"),
        ("0 0 30 2 *", "is never due"),
        ("0 0 31 feb,apr,nov ?", "is never due"),
    ],
)
def test_a_cron_that_is_due_too_often_or_never_is_refused(given: str, said: str) -> None:
    with pytest.raises(InputError, match=said):
        kubeflow_cron(given)


@pytest.mark.parametrize(
    "given", ["*/60 * * * * *", "59 * * * * *", "* * * * *", "0 0 29 2 *", "0 0 31 2-3 *", "0 0 30 2 1"]
)
def test_a_cron_that_is_due_once_a_minute_or_in_some_years_is_taken(given: str) -> None:
    assert kubeflow_cron(given).split()[-5:] == given.split()[-5:]


def test_a_schedule_of_retrainings_without_new_seeds_is_remarked_on(
    direct: Kubeflow, capsys: pytest.CaptureFixture[str]
) -> None:
    retraining = ["pipeline", "schedule", "scheduled_retraining", "--preset", "smoke", "--interval", "1d"]
    assert main([*retraining, *direct.flags]) == 0
    assert "new_seeds" in capsys.readouterr().err
    assert main([*retraining, "--param", "new_seeds=5", *direct.flags]) == 0
    assert "new_seeds" not in capsys.readouterr().err


@pytest.mark.parametrize(
    ("given", "wanted"), [("3600", 3600), ("90m", 5400), ("6h", 21600), ("7d", 604800), ("60s", 60)]
)
def test_an_interval_is_seconds_or_has_a_unit(given: str, wanted: int) -> None:
    assert interval_seconds(given) == wanted


@pytest.mark.parametrize("given", ["", "h", "1.5h", "-6h", "6 weeks", "59", "1e4"])
def test_a_wrong_interval_is_refused(given: str) -> None:
    with pytest.raises(InputError, match="--interval"):
        interval_seconds(given)


def test_a_file_of_images_goes_into_what_is_scheduled(direct: Kubeflow, tmp_path: Any) -> None:
    lock = tmp_path / "lock.yaml"
    lock.write_text(f"runtime: r/grokcore-runtime@sha256:{'a' * 64}\ntrainer: r/grokcore-trainer@sha256:{'b' * 64}\n")
    assert main([*WEEKLY, "--images", str(lock), *direct.flags]) == 0
    (version,) = direct.server.versions.values()
    assert f"r/grokcore-trainer@sha256:{'b' * 64}" in json.dumps(version)
    assert "grokcore-trainer:" not in json.dumps(version)
