import shutil
from pathlib import Path

import pytest
from kfp import dsl

from components.conftest import SmallRun
from components.evaluation.build_report import build_report
from grokcore.storage import open_store
from tests.evaluation.made_up import write
from tests.reporting.made_up_groups import run_of

report = build_report.python_func


def call(run: Path, place: Path, run_uri: str, others: list[str]) -> str:
    report(
        dsl.Artifact(uri=str(run), metadata={"run_uri": run_uri}),
        dsl.Artifact(uri=str(run / "evaluation.json")),
        dsl.HTML(uri=str(place / "report")),
        others,
    )
    return (place / "report").read_text()


@pytest.fixture
def run(small_run: SmallRun, tmp_path: Path) -> Path:
    """A run in a store that holds a second one."""
    runs = tmp_path / "store" / "runs"
    write(run_of(), runs / "id" / "second")
    shutil.copytree(small_run.run, runs / "id" / "first")
    return runs / "id" / "first"


def test_the_report_becomes_an_artifact_and_joins_its_run(run: Path, tmp_path: Path):
    page = call(run, tmp_path, str(run), [])
    assert "<html" in page
    assert (run / "report.html").read_text() == page


def test_another_run_of_the_store_is_shown_beside_it(run: Path, tmp_path: Path):
    second = run.with_name("second")
    assert "2 groups" not in call(run, tmp_path, str(run), [])
    assert "2 groups" in call(run, tmp_path, str(run), [str(second)])


@pytest.mark.parametrize("other", ["/etc", "file:///etc", "{store}/runs/../../etc", "{store}"])
def test_a_path_outside_the_store_is_not_read(
    run: Path, tmp_path: Path, other: str, capsys: pytest.CaptureFixture[str]
):
    uri = other.format(store=tmp_path / "store")
    with pytest.raises(SystemExit) as exit_:
        call(run, tmp_path, str(run), [uri])
    assert exit_.value.code == 2
    assert "compare_run_uris" in capsys.readouterr().err


def test_a_run_without_an_evaluation_is_one_line_and_exit_code_2(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    (run / "evaluation.json").unlink()
    with pytest.raises(SystemExit) as exit_:
        call(run, tmp_path, str(run), [])
    assert exit_.value.code == 2
    assert capsys.readouterr().err.count("\n") == 1


def test_runs_of_object_storage_are_compared_and_get_their_report(small_run: SmallRun, tmp_path: Path, s3_uri: str):
    store = open_store(s3_uri)
    store.upload_directory(small_run.run, "runs/id/first")
    store.upload_directory(write(run_of(), tmp_path / "second"), "runs/id/second")
    second = store.child("runs/id/second")
    page = call(small_run.run, tmp_path, f"{s3_uri}/runs/id/first", [second.uri])
    assert "2 groups" in page
    assert store.read("runs/id/first/report.html").decode() == page
