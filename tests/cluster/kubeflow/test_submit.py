"""Uploading and submitting: each content and each request once, also when several submit at a time."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from threading import Barrier
from typing import Any

import pytest
import yaml

from grokcore.cli import main
from grokcore.cluster.kubeflow.api import KubeflowApi
from grokcore.cluster.kubeflow.connection import connection
from grokcore.cluster.kubeflow.errors import UnavailableError
from grokcore.cluster.kubeflow.form import filled_in
from grokcore.cluster.kubeflow.naming import commit_of_code, run_name
from grokcore.cluster.kubeflow.package import PipelinePackage
from grokcore.cluster.kubeflow.submit import Submission, submit, upload
from grokcore.spec import load_spec, resolve
from grokcore.version import __version__
from tests.cluster.kubeflow.conftest import COMMIT, Kubeflow
from tests.servers.grpc_gateway import Fault

SMOKE = ["pipeline", "submit", "grokking_experiment", "--preset", "smoke"]


def submitted(api: KubeflowApi, package: PipelinePackage, name: str = "a run", **options: Any) -> Submission:
    version = upload(api, package).version
    return submit(api, name, version, filled_in(package, {}), service_account="grokcore", sleep=_no_time, **options)


def _no_time(seconds: float) -> None:
    pass


def test_a_second_upload_of_the_same_content_does_nothing(
    kubeflow: Kubeflow, package: PipelinePackage, other_package: PipelinePackage
) -> None:
    api = kubeflow.api()
    first, second = upload(api, package), upload(api, package)
    assert (first.made, second.made) == (True, False)
    assert first.version == second.version
    assert len(kubeflow.server.made("POST /apis/v2beta1/pipelines/upload_version")) == 1
    other = upload(api, other_package)
    assert other.made
    assert other.version.pipeline_id == first.version.pipeline_id
    assert [version.name for version in api.versions(first.version.pipeline_id)] == [
        other_package.version,
        package.version,
    ]
    (pipeline,) = kubeflow.server.pipelines.values()
    assert (pipeline["name"], pipeline["description"]) == (package.name, package.description)
    assert kubeflow.server.versions[first.version.id]["pipeline_spec"]["pipeline_spec"] == package.spec


def test_upload_says_what_it_did(kubeflow: Kubeflow, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["pipeline", "upload", "grokking_experiment", *kubeflow.flags]
    assert main(command) == 0
    first = capsys.readouterr()
    assert "uploaded" in first.err
    assert f"{kubeflow.host}/#/pipelines/details/" in first.out
    assert main(command) == 0
    second = capsys.readouterr()
    assert "already uploaded, skipped" in second.err
    assert second.out == first.out
    assert main([*command, "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert facts["uploaded"] is False
    assert facts["url"] in first.out


def test_of_two_that_upload_at_once_both_get_the_one_version(direct: Kubeflow, package: PipelinePackage) -> None:
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: upload(direct.api(), package), range(4)))
    assert len({found.version.id for found in done}) == 1
    assert sum(found.made for found in done) == 1
    assert len(direct.server.pipelines) == len(direct.server.versions) == 1


def test_submit_starts_a_run_of_exactly_what_was_asked_for(
    kubeflow: Kubeflow, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = ["--set", "model.layers=2", "--set", "training.max_steps=20", "--param", "seed=3", "--param", "gpu_count=0"]
    assert main([*SMOKE, *asked, "--param", 'tolerations=[{"key": "gpu"}]', *kubeflow.flags]) == 0
    (run,) = kubeflow.server.runs.values()
    output = capsys.readouterr().out
    assert run["run_id"] in output
    assert f"{kubeflow.host}/#/runs/details/{run['run_id']}" in output
    parameters = run["runtime_config"]["parameters"]
    assert parameters["preset"] == "smoke"
    assert parameters["overrides"] == "model.layers=2 training.max_steps=20"
    assert (parameters["seed"], parameters["gpu_count"], parameters["tolerations"]) == (3, "0", [{"key": "gpu"}])
    assert run["service_account"] == "grokcore"
    spec = resolve(load_spec("smoke", ["model.layers=2", "training.max_steps=20", "seed=3"]))
    name = run["display_name"].split()
    assert name[:4] == ["grokking-experiment", "smoke", spec.run_id[:12], COMMIT[:8]]
    assert kubeflow.server.experiments[run["experiment_id"]]["display_name"] == "grokcore"
    assert run["pipeline_version_reference"]["pipeline_version_id"] in kubeflow.server.versions


def test_a_second_submit_attaches_to_the_run_that_goes_on_or_has_succeeded(
    kubeflow: Kubeflow, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([*SMOKE, *kubeflow.flags]) == 0
    first = capsys.readouterr()
    (run,) = kubeflow.server.runs.values()
    for state in ("PENDING", "RUNNING", "PAUSED", "SUCCEEDED"):
        run["state"] = state
        assert main([*SMOKE, *kubeflow.flags]) == 0
        again = capsys.readouterr()
        assert again.out == first.out
        assert f"attached to the run of the same request, {state.lower()}" in again.err
    assert len(kubeflow.server.runs) == 1


@pytest.mark.parametrize("fields", [{"state": "FAILED"}, {"state": "CANCELED"}, {"state": "CANCELING"}])
def test_a_run_that_came_to_nothing_is_not_attached_to(
    fields: dict[str, str], direct: Kubeflow, package: PipelinePackage
) -> None:
    api = direct.api()
    first = submitted(api, package)
    direct.server.runs[first.run.id].update(fields)
    second = submitted(api, package)
    assert second.started
    assert second.run.id != first.run.id


def test_a_run_in_the_archive_is_left_there(direct: Kubeflow, package: PipelinePackage) -> None:
    first = submitted(direct.api(), package)
    direct.server.runs[first.run.id].update(state="SUCCEEDED", storage_state="ARCHIVED")
    assert submitted(direct.api(), package).run.id != first.run.id


def test_again_starts_anew_whatever_there_is(kubeflow: Kubeflow, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMOKE, *kubeflow.flags]) == 0
    assert main([*SMOKE, "--again", *kubeflow.flags]) == 0
    assert len({run["display_name"] for run in kubeflow.server.runs.values()}) == 1
    assert [run["state"] for run in kubeflow.server.runs.values()] == ["PENDING", "PENDING"]


@pytest.mark.parametrize(
    "changed",
    [
        ["--set", "training.max_steps=21"],
        ["--param", "run_key=2026-11-22"],
        ["--param", "store=s3://lab/other"],
        ["--param", "seed=1"],
        ["--commit", "fedcba9876543210"],
    ],
)
def test_another_request_is_another_run(changed: list[str], direct: Kubeflow) -> None:
    """A budget and a place are in no run's identity, and yet whoever changes them wants another run."""
    assert main([*SMOKE, *direct.flags]) == 0
    assert main([*SMOKE, *changed, *direct.flags]) == 0
    assert len({run["display_name"] for run in direct.server.runs.values()}) == 2


def test_what_a_default_says_anyway_is_the_same_request(direct: Kubeflow) -> None:
    assert main([*SMOKE, *direct.flags]) == 0
    assert main([*SMOKE, "--param", "seed=0", "--param", "gpu_count=auto", *direct.flags]) == 0
    assert len(direct.server.runs) == 1


def test_of_many_that_submit_at_once_one_run_stays(direct: Kubeflow, package: PipelinePackage) -> None:
    experiment = direct.api().ensure_experiment()
    upload(direct.api(), package)
    barrier = Barrier(4)  # nobody sees another's run before all have made one

    def racing(_: int) -> Submission:
        api = direct.api()
        runs = api.runs
        seen: list[int] = []

        def runs_of_a_racer(*arguments: Any, **options: Any) -> Any:
            if not seen:
                seen.append(1)
                found = runs(*arguments, **options)
                barrier.wait(30)
                return found
            return runs(*arguments, **options)

        api.runs = runs_of_a_racer  # type: ignore[method-assign]
        version = upload(api, package).version
        return submit(
            api, "a race", version, {}, service_account="grokcore", sleep=lambda seconds: bool(barrier.wait(30))
        )

    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(racing, range(4)))
    assert len(direct.server.runs) == 4
    first = min(direct.server.runs.values(), key=lambda run: run["created_at"])
    assert {found.run.id for found in done} == {first["run_id"]}
    assert [found.started for found in done].count(True) == 1
    going = [run for run in direct.server.runs.values() if run["state"] != "CANCELED"]
    assert going == [first]
    assert all(run["experiment_id"] == experiment for run in direct.server.runs.values())


def test_a_lost_answer_does_not_start_a_second_run(direct: Kubeflow, package: PipelinePackage) -> None:
    direct.server.faults = [Fault(r"POST .*/runs$", status=502, after=True)]
    done = submitted(direct.api(), package)
    assert done.started
    assert list(direct.server.runs) == [done.run.id]


def test_a_run_that_could_not_be_made_is_an_error_and_the_same_command_makes_it(
    direct: Kubeflow, package: PipelinePackage
) -> None:
    direct.server.faults = [Fault(r"POST .*/runs$")]
    with pytest.raises(UnavailableError):
        submitted(direct.api(), package)
    assert not direct.server.runs
    assert submitted(direct.api(), package).started


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--set", "model.layer=2"], "model.layer: there is no such field (did you mean layers?)"),
        (["--preset", "smok"], "did you mean smoke"),
        (["--param", "preset=/etc/passwd"], "there is no preset '/etc/passwd'"),
        (["--param", "gpu_cont=2"], "did you mean gpu_count?"),
        (["--param", "gpu_count"], "must have the form NAME=VALUE"),
        (["--param", "seed=a"], "seed='a': must be an integer"),
        (["--param", "seed=1", "--param", "seed=2"], "--param seed is given twice"),
        (["--param", "overrides=a=1", "--set", "b=2"], "give --set or --param overrides=..., not both"),
        (["--sweep", "values-small"], "--sweep: grokking-experiment has no parameter sweep"),
        (["--param", "node_selector=gpu=a100"], "must be a dict in JSON"),
    ],
)
def test_what_is_wrong_is_said_before_anything_is_sent(
    arguments: list[str], said: str, direct: Kubeflow, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["pipeline", "submit", "grokking_experiment", *arguments, *direct.flags]) == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert direct.server.requests == []


def test_a_spec_in_a_file_travels_as_text(direct: Kubeflow, tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text(yaml.safe_dump(load_spec("smoke").model_dump(mode="json") | {"name": "mine"}))
    assert main(["pipeline", "submit", "grokking_experiment", "--preset", str(file), *direct.flags]) == 0
    (run,) = direct.server.runs.values()
    sent = run["runtime_config"]["parameters"]["preset"]
    assert load_spec(sent, allow_files=False).name == "mine"
    assert run["display_name"].split()[1] == "mine"


def test_a_sweep_is_submitted_by_its_name_or_its_file(direct: Kubeflow, tmp_path: Path) -> None:
    command = ["pipeline", "submit", "parameter_sweep", *direct.flags]
    assert main([*command, "--sweep", "values-small", "--param", "seeds=0..1"]) == 0
    file = tmp_path / "sweep.yaml"
    file.write_text(
        "name: widths\nbase: smoke\naxes: [{kind: grid, field: model.width, values: [16, 32]}]\nseeds: 0..1\n"
    )
    assert main([*command, "--sweep", str(file)]) == 0
    assert main([*command, "--sweep", str(file), "--set", "model.layers=2"]) == 0
    named = [run["display_name"].split() for run in direct.server.runs.values()]
    assert [name[:2] for name in named] == [["parameter-sweep", "values-small"], *[["parameter-sweep", "widths"]] * 2]
    assert len({name[2] for name in named}) == 3, "the id is that of all points"


def test_a_sweep_that_a_loop_cannot_do_is_refused_here(direct: Kubeflow, capsys: pytest.CaptureFixture[str]) -> None:
    command = ["pipeline", "submit", "architecture_comparison", *direct.flags]
    assert main([*command, "--sweep", "architectures-tuned-small"]) == 2
    assert "starts with a hyperparameter search" in capsys.readouterr().err
    assert main([*command, "--param", 'architectures=["gpt3"]']) == 2
    assert main([*command, "--param", "architectures=[1]"]) == 2
    assert main(["pipeline", "submit", "scheduled_retraining", "--param", "seeds=5..1", *direct.flags]) == 2
    assert direct.server.requests == []


def test_the_run_as_json_is_for_machines(kubeflow: Kubeflow, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*SMOKE, "--json", *kubeflow.flags]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["state"], facts["started"]) == ("PENDING", True)
    assert facts["run_id"] in kubeflow.server.runs
    assert facts["parameters"]["preset"] == "smoke"
    assert main([*SMOKE, "--json", "--wait", "--poll", "0.01", *kubeflow.flags]) == 0
    waited = json.loads(capsys.readouterr().out)
    assert (waited["run_id"], waited["state"], waited["started"]) == (facts["run_id"], "SUCCEEDED", False)
    assert {task["name"]: task["outputs"] for task in waited["tasks"]}["train-model"] == {"report": ["7"]}


def test_namespace_experiment_and_service_account_are_those_that_were_asked_for(kubeflow: Kubeflow) -> None:
    where = ["--namespace", "lab", "--experiment", "nightly", "--service-account", "trainer"]
    assert main([*SMOKE, *where, *kubeflow.flags]) == 0
    (experiment,) = kubeflow.server.experiments.values()
    assert (experiment["display_name"], experiment["namespace"]) == ("nightly", "lab")
    (pipeline,) = kubeflow.server.pipelines.values()
    assert pipeline["namespace"] == "lab"
    (run,) = kubeflow.server.runs.values()
    assert run["service_account"] == "trainer"
    assert main([*SMOKE, "--service-account", "", "--again", *kubeflow.flags]) == 0
    assert "service_account" not in [*kubeflow.server.runs.values()][1]


def test_a_name_tells_pipeline_subject_and_commit(package: PipelinePackage) -> None:
    parameters = filled_in(package, {})
    name = run_name(package, "demo 0123456789ab", parameters, "fedcba9876543210")
    assert name.startswith("grokking-experiment demo 0123456789ab fedcba98 ")
    assert name == run_name(package, "demo 0123456789ab", dict(reversed(parameters.items())), "fedcba9876543210")
    assert run_name(package, "", parameters, "v0.1.0").startswith("grokking-experiment v0.1.0 ")


def test_an_installed_package_goes_by_what_the_ci_says_or_its_version(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("grokcore.cluster.kubeflow.naming.SOURCE_ROOT", tmp_path / "site-packages")
    for variable in ("GITHUB_SHA", "CI_COMMIT_SHA", "GIT_COMMIT"):
        monkeypatch.delenv(variable, raising=False)
    assert commit_of_code() == f"v{__version__}"
    monkeypatch.setenv("GIT_COMMIT", "def")
    monkeypatch.setenv("CI_COMMIT_SHA", "abc")
    assert commit_of_code() == "abc"


def test_list_shows_pipelines_schedules_and_runs(kubeflow: Kubeflow, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pipeline", "list", *kubeflow.flags]) == 0
    empty = capsys.readouterr()
    assert empty.out == ""
    assert "no pipelines, schedules or runs at" in empty.err
    assert main([*SMOKE, *kubeflow.flags]) == 0
    assert main(["pipeline", "schedule", "grokking_experiment", "--interval", "6h", *kubeflow.flags]) == 0
    capsys.readouterr()
    assert main(["pipeline", "list", *kubeflow.flags]) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert [line[0] for line in lines] == ["what", "pipeline", "schedule", "run"]
    assert main(["pipeline", "list", "--json", "--runs", "0", *kubeflow.flags]) == 0
    listed = json.loads(capsys.readouterr().out)
    assert [len(listed[kind]) for kind in ("pipelines", "schedules", "runs")] == [1, 1, 0]
    assert listed["schedules"][0]["when"] == "every 21600 s"
    assert listed["pipelines"][0]["version"].startswith("grokking-experiment-")


def test_the_whole_way_in_a_process_of_its_own(kubeflow: Kubeflow) -> None:
    """As a CI job has it: settings in the environment, and nothing on stdout but what was asked for."""
    environment = {
        **os.environ,
        "KF_PIPELINES_ENDPOINT": kubeflow.host,
        "GROKCORE_KFP_TOKEN": kubeflow.token_file.read_text(),
        "COLUMNS": "200",
    }
    command = [sys.executable, "-m", "grokcore", *SMOKE, "--wait", "--poll", "0.05"]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False, timeout=120)
    assert (done.returncode, "Traceback" in done.stderr) == (0, False)
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["run", "name", "page", "succeeded"]
    assert done.stderr.splitlines() == [
        "grokcore: pending",
        "grokcore: running: resolve-experiment, train-model",
        "grokcore: succeeded",
    ]


def test_a_host_that_is_asked_without_a_token_where_none_is_needed(direct: Kubeflow) -> None:
    direct.server.tokens = None
    api = KubeflowApi(connection(host=direct.host), patience=0)
    assert list(api.pipelines()) == []
