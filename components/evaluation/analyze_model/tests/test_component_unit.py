import json
import math
import shutil
from pathlib import Path

import pytest
from kfp import dsl

import grokcore
from components.conftest import SmallRun
from components.evaluation.analyze_model import analyze_model
from components.evaluation.build_report import build_report
from grokcore.interpret import read_analysis
from grokcore.storage import open_store

FILES = ("analysis.json", "analysis.parquet")


@pytest.fixture(scope="module")
def kept_run(small_run: SmallRun, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same run, whose checkpoint at step 10 is kept."""
    place = tmp_path_factory.mktemp("kept") / "run"
    kept = {"checkpoint_interval": 10, "checkpoint_keep_every": 10}
    training = small_run.spec.training.model_copy(update=kept)
    grokcore.train_model(small_run.spec.model_copy(update={"training": training}), small_run.dataset, place)
    grokcore.evaluate_model(place)
    return place


@pytest.fixture
def run(kept_run: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(kept_run, tmp_path / "store" / "runs" / "id" / "key"))


@pytest.fixture
def record(small_run: SmallRun, tmp_path: Path) -> Path:
    """The artifact `run`: the record without checkpoints and model."""
    (tmp_path / "record").mkdir()
    for name in ("spec.yaml", "manifest.json", "metrics.jsonl"):
        shutil.copy(small_run.run / name, tmp_path / "record" / name)
    return tmp_path / "record"


def call(small: SmallRun, record: Path, run_uri: str, place: Path, **form: str) -> tuple[dsl.Artifact, dsl.Metrics]:
    analysis, metrics = dsl.Artifact(uri=str(place / "analysis")), dsl.Metrics(uri=str(place / "metrics"))
    analyze_model.python_func(
        dsl.Artifact(uri=str(record), metadata={"run_uri": run_uri} if run_uri else {}),
        dsl.Model(uri=str(small.run / "model")),
        dsl.Dataset(uri=str(small.dataset)),
        analysis,
        metrics,
        examples=10,
        **{"analyses": "lens, norms", **form},
    )
    return analysis, metrics


def test_checkpoints_in_the_store_are_analyzed_and_the_analysis_joins_them(
    small_run: SmallRun, run: Path, record: Path, tmp_path: Path
):
    analysis, metrics = call(small_run, record, str(run), tmp_path, steps="all")
    expected = grokcore.analyze_model(run, steps="all", analyses=["lens", "norms"], examples=10, out=tmp_path / "own")
    for name in FILES:
        assert (run / name).read_bytes() == (tmp_path / "own" / name).read_bytes()
        assert (Path(analysis.path) / name).read_bytes() == (run / name).read_bytes()
    assert analysis.metadata["run_uri"] == str(run)
    assert expected.document.steps == [10, 20]
    (norm,) = expected.numbers(step=expected.document.steps[-1], metric="weight_norm", case="")
    assert metrics.metadata["norms_weight_norm"] == norm["value"]
    assert "lens_test_inferred_ood_lens_gain_value_of_e1" in metrics.metadata
    assert not [name for name in metrics.metadata if "train_inferred" in name]
    assert all(math.isfinite(value) for value in metrics.metadata.values())


@pytest.mark.parametrize("run_uri", ["", "/nowhere", "s3://bucket/runs/id/key"])
def test_out_of_reach_the_final_model_is_analyzed_alone(
    small_run: SmallRun, record: Path, tmp_path: Path, run_uri: str, capsys: pytest.CaptureFixture[str]
):
    analysis, _ = call(small_run, record, run_uri, tmp_path, steps="all")
    said = [line for line in capsys.readouterr().out.splitlines() if "analyzing the final model alone: " in line]
    assert len(said) == 1
    alone = read_analysis(analysis.path)
    assert alone.document.steps == [20]
    grokcore.analyze_model(small_run.run, steps=[20], analyses=["lens", "norms"], examples=10, out=tmp_path / "own")
    assert alone.table == read_analysis(str(tmp_path / "own")).table


def test_the_place_of_an_artifact_alone_has_no_weights(small_run: SmallRun, record: Path, tmp_path: Path):
    call(small_run, record, str(record), tmp_path)
    assert json.loads((record / "analysis.json").read_text())["steps"] == [20]


def test_the_analysis_joins_a_run_on_object_storage(
    small_run: SmallRun, run: Path, record: Path, tmp_path: Path, s3_uri: str
):
    store = open_store(s3_uri)
    store.upload_directory(run, "runs/id/key")
    analysis, _ = call(small_run, record, f"{s3_uri}/runs/id/key", tmp_path, steps="all")
    assert read_analysis(analysis.path).document.steps == [10, 20]
    assert read_analysis(f"{s3_uri}/runs/id/key").table == read_analysis(analysis.path).table


def test_a_report_takes_the_analysis_as_its_run(small_run: SmallRun, run: Path, record: Path, tmp_path: Path):
    analysis, _ = call(small_run, record, str(run), tmp_path)
    evaluation = dsl.Artifact(uri=str(run / "evaluation.json"))
    build_report.python_func(analysis, evaluation, dsl.HTML(uri=str(tmp_path / "with")), [])
    assert (run / "report.html").read_text() == (tmp_path / "with").read_text()
    bare = dsl.Artifact(uri=str(record), metadata={})
    build_report.python_func(bare, evaluation, dsl.HTML(uri=str(tmp_path / "without")), [])
    assert "logit lens" in (tmp_path / "with").read_text().lower()
    assert "logit lens" not in (tmp_path / "without").read_text().lower()


@pytest.mark.parametrize(
    ("form", "said"),
    [({"analyses": "lense"}, "'lense' is no analysis"), ({"steps": "some"}, "steps=some: give milestones, all, or")],
)
def test_a_wrong_form_is_one_line_and_exit_code_2(
    small_run: SmallRun,
    run: Path,
    record: Path,
    tmp_path: Path,
    form: dict[str, str],
    said: str,
    capsys: pytest.CaptureFixture[str],
):
    with pytest.raises(SystemExit) as exit_:
        call(small_run, record, str(run), tmp_path, **form)
    assert exit_.value.code == 2
    error = capsys.readouterr().err
    assert said in error
    assert error.count("\n") == 1
    assert json.loads((tmp_path / "error.json").read_text())["stage"] == "analyze"


def test_a_model_of_another_run_is_refused(small_run: SmallRun, record: Path, tmp_path: Path):
    other = Path(shutil.copytree(small_run.run / "model", tmp_path / "model"))
    weights = bytearray((other / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (other / "model.safetensors").write_bytes(weights)
    with pytest.raises(grokcore.errors.InputError, match=r"model\.safetensors"):
        grokcore.analyze_model(record, data=small_run.dataset, model=other, analyses=["norms"], out=tmp_path / "out")
