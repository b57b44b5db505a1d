"""The compiled pipeline, for real, on Kubeflow's local runner."""

import json
import os
import re
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import yaml

from grokcore.cli.main import main
from grokcore.errors import GrokcoreError, InputError, StoppedError, TransientError
from grokcore.interpret import read_analysis
from grokcore.local import LocalExperiment, compiled_pipeline
from grokcore.local.__main__ import without_retries
from grokcore.spec import ExperimentSpec, load_spec
from tests.support.checks import PATIENCE, wait_until

ROOT = Path(__file__).parents[2]
LONG = ["training.max_steps=1000000", "training.checkpoint_interval=null", "evaluation.growth=1000"]


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "1")


def smoke(*overrides: str) -> ExperimentSpec:
    return load_spec("smoke", ["model.width=16", *overrides])


def last_step(pipeline: LocalExperiment) -> int:
    journal = pipeline.run_directory / "metrics.jsonl"
    lines = journal.read_text().splitlines() if journal.exists() else []
    return int(json.loads(lines[-1])["step"]) if lines else -1


def test_the_whole_pipeline_leaves_a_complete_run(tmp_path: Path):
    pipeline = LocalExperiment(smoke(), tmp_path / "out")
    ticks = []
    pipeline.start()
    pipeline.wait(lambda: ticks.append(last_step(pipeline)))
    run = pipeline.run_directory
    assert run == tmp_path / "out" / "runs" / smoke().run_id / "local"
    record = {"spec.yaml", "manifest.json", "metrics.jsonl", "summary.json"}
    expected = record | {"checkpoints", "model", "evaluation.json", "report.html"}
    assert {path.name for path in run.iterdir()} == expected
    assert last_step(pipeline) == 60
    assert ticks[0] == -1
    assert ticks[-1] == 60
    manifest = json.loads((run / "manifest.json").read_text())
    assert Path(manifest["dataset"]["uri"]).is_relative_to(tmp_path / "out" / "pipeline")
    assert "train-model" in pipeline.log.read_text()


@pytest.mark.extended
def test_on_demand_the_run_is_analyzed_and_reported_again(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out = tmp_path / "out"
    assert main(["run", "smoke", "--set", "model.width=16", "--analyze", "--out", str(out)]) == 0
    (run,) = (out / "runs").glob("*/local")
    analysis = read_analysis(str(run))
    assert analysis.document.steps[-1] == 60
    assert "tracing" in analysis.document.analysis["analyses"]
    (artifact,) = (out / "pipeline").rglob("analyze-model/analysis")
    assert (artifact / "analysis.json").read_bytes() == (run / "analysis.json").read_bytes()
    assert "logit lens" in (run / "report.html").read_text().lower()


def test_a_failed_task_raises_its_own_error(tmp_path: Path):
    pipeline = LocalExperiment(smoke(), tmp_path, resume="require")
    pipeline.start()
    with pytest.raises(InputError) as error:
        pipeline.wait()
    assert error.value.exit_code == 2
    assert str(tmp_path) in str(error.value)
    assert "\n" not in str(error.value)


def test_a_task_that_dies_without_a_word_is_explained_by_the_log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    documents = list(yaml.safe_load_all(compiled_pipeline("grokking_experiment").read_text()))
    container = documents[0]["deploymentSpec"]["executors"]["exec-generate-dataset"]["container"]
    container["command"] = [
        part.replace("import grokcore\n", "import os; os._exit(9)\n") for part in container["command"]
    ]
    (tmp_path / "broken.yaml").write_text(yaml.safe_dump_all(documents))
    monkeypatch.setattr("grokcore.local.pipeline.compiled_pipeline", lambda name: tmp_path / "broken.yaml")
    pipeline = LocalExperiment(smoke(), tmp_path / "out")
    pipeline.start()
    with pytest.raises(GrokcoreError) as error:
        pipeline.wait()
    assert error.value.exit_code == 1
    assert "generate-dataset" in str(error.value)
    assert str(pipeline.log) in str(error.value)
    assert "\n" not in str(error.value)
    assert "\x1b" not in str(error.value)


@pytest.mark.extended
def test_a_stopped_pipeline_has_saved_and_the_same_call_goes_on(tmp_path: Path):
    pipeline = LocalExperiment(smoke(*LONG), tmp_path / "out")
    caller = call_from_another_process(pipeline, tmp_path)
    wait_until(lambda: last_step(pipeline) >= 20, caller)
    caller.send_signal(signal.SIGTERM)
    _, error = caller.communicate(timeout=PATIENCE)
    assert caller.returncode == 143
    saved = re.fullmatch(r"stopped at step (\d+); .*\n", error.decode())
    assert saved, error
    assert list((pipeline.run_directory / "checkpoints").iterdir())

    budget = int(saved[1]) + 20
    again = LocalExperiment(smoke(f"training.max_steps={budget}", *LONG[1:]), tmp_path / "out")
    assert again.run_directory == pipeline.run_directory
    again.start()
    again.wait()
    steps = [json.loads(line)["step"] for line in (again.run_directory / "metrics.jsonl").read_text().splitlines()]
    assert steps == sorted(set(steps))
    assert steps[-1] == budget
    assert re.search(rf"resum.* {saved[1]}\b", again.log.read_text())


@pytest.mark.extended
def test_a_second_pipeline_at_the_same_place_leaves_the_first_its_log_and_its_error(tmp_path: Path):
    """It is refused, since the run is being written; the first is stopped later, and says that and nothing else."""
    first, second = (LocalExperiment(smoke(*LONG), tmp_path / "out") for _ in range(2))
    first.start()
    wait_until(lambda: last_step(first) >= 0)
    second.start()
    with pytest.raises(TransientError, match="is being written by"):
        second.wait()
    first.stop()
    with pytest.raises(StoppedError, match="stopped at step"):
        first.wait()
    assert first.log != second.log
    assert "is being written by" not in first.log.read_text()
    assert "is being written by" in second.log.read_text()
    assert {path.name for path in first.log.parent.iterdir()} == {first.log.name, second.log.name}


@pytest.mark.extended
def test_a_budget_behind_a_finished_run_is_said_and_the_run_stays(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    out, sixty = str(tmp_path / "out"), ["--set", "model.width=16"]
    assert main(["run", "smoke", *sixty, "--out", out]) == 0
    (run,) = (tmp_path / "out" / "runs").glob("*/local")
    written = (run / "spec.yaml").read_bytes()
    capsys.readouterr()

    assert main(["run", "smoke", *sixty, "--set", "training.max_steps=30", "--out", out]) == 0

    said = capsys.readouterr().err
    assert "the run is at step 60 already, beyond training.max_steps=30" in said
    assert "/30" not in said
    assert (run / "spec.yaml").read_bytes() == written


@pytest.mark.extended
def test_stages_do_not_outlive_a_caller_that_was_killed(tmp_path: Path):
    pipeline = LocalExperiment(smoke(*LONG), tmp_path / "out")
    caller = call_from_another_process(pipeline, tmp_path)
    wait_until(lambda: last_step(pipeline) >= 0, caller)
    caller.kill()
    caller.communicate()
    checkpoints = pipeline.run_directory / "checkpoints"
    wait_until(lambda: checkpoints.exists() and any(checkpoints.iterdir()))


@pytest.mark.extended
def test_a_trainer_does_not_outlive_a_runner_that_was_killed(tmp_path: Path):
    pipeline = LocalExperiment(smoke(*LONG), tmp_path / "out")
    pipeline.start()
    wait_until(lambda: last_step(pipeline) >= 0)
    os.kill(pipeline._child.pid, signal.SIGKILL)
    manifest = pipeline.run_directory / "manifest.json"
    wait_until(lambda: json.loads(manifest.read_text())["exit_reason"] == "stopped")
    assert list((pipeline.run_directory / "checkpoints").iterdir())


def call_from_another_process(pipeline: LocalExperiment, place: Path) -> subprocess.Popen[bytes]:
    """Start a pipeline, wait, and print an error in one line, as `grokcore run` does."""
    script = (
        "import sys\n"
        "from grokcore.errors import GrokcoreError\n"
        "from grokcore.local import LocalExperiment\n"
        "from grokcore.spec import load_spec\n"
        "pipeline = LocalExperiment(load_spec(sys.argv[1]), sys.argv[2])\n"
        "pipeline.start()\n"
        "try:\n"
        "    pipeline.wait()\n"
        "except GrokcoreError as error:\n"
        "    print(error, file=sys.stderr)\n"
        "    sys.exit(error.exit_code)\n"
    )
    spec = place / "spec.json"
    spec.write_text(pipeline.spec.model_dump_json())
    return subprocess.Popen(
        [sys.executable, "-c", script, str(spec), str(pipeline.out)], cwd=ROOT, stderr=subprocess.PIPE
    )


def test_a_pipeline_can_be_followed_outside_the_main_thread(tmp_path: Path):
    pipeline = LocalExperiment(smoke(), tmp_path)
    pipeline.start()
    errors: list[GrokcoreError] = []

    def follow() -> None:
        try:
            pipeline.wait()
        except GrokcoreError as error:
            errors.append(error)

    thread = threading.Thread(target=follow)
    thread.start()
    pipeline.stop()
    thread.join(PATIENCE)
    assert isinstance(errors[0], StoppedError)


def test_an_output_that_cannot_be_written_is_one_line(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(InputError, match="file"):
        LocalExperiment(smoke(), tmp_path / "file" / "out").start()


def test_without_kubeflow_the_extra_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(InputError, match=r"pip install 'grokcore\[all\]'"):
        LocalExperiment(smoke(), tmp_path)


def test_an_unknown_pipeline_is_one_line():
    with pytest.raises(InputError, match="no_such"):
        compiled_pipeline("no_such")


def test_tasks_are_tried_once_here():
    text = compiled_pipeline("grokking_experiment").read_text()
    assert "retryPolicy" in text
    package, platform = yaml.safe_load_all(without_retries(text))
    assert "retryPolicy" not in str(package)
    assert platform == list(yaml.safe_load_all(text))[1]


def test_importing_the_local_runner_imports_no_kubeflow():
    code = "import sys, grokcore.local; sys.exit('kfp' in sys.modules or 'torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT, env={**os.environ}, check=False).returncode == 0
