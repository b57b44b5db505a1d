from pathlib import Path

import pytest

from grokcore.errors import InputError
from grokcore.runs.artifacts import RUN_FILES, collect_run, join_run
from grokcore.storage import open_store


@pytest.fixture
def run(tmp_path: Path) -> Path:
    place = tmp_path / "run"
    for name in (*RUN_FILES, "report.html", "model/config.json", "checkpoints/step=1/state"):
        file = place / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(name)
    return place


def files(place: Path) -> set[str]:
    return {str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()}


def test_a_run_in_a_store_is_copied_and_stays_whole(run: Path, tmp_path: Path):
    before = files(run)
    collect_run(str(run), str(tmp_path / "artifact"), str(tmp_path / "model"))
    assert files(run) == before
    assert files(tmp_path / "artifact") == set(RUN_FILES)
    assert files(tmp_path / "model") == {"config.json"}


def test_a_run_in_its_artifact_keeps_its_record_only(run: Path, tmp_path: Path):
    collect_run(str(run), str(run), str(tmp_path / "model"))
    assert files(run) == set(RUN_FILES)
    assert files(tmp_path / "model") == {"config.json"}


def test_an_incomplete_run_gives_no_artifact_at_all(run: Path, tmp_path: Path):
    (run / "manifest.json").unlink()
    with pytest.raises(InputError, match="manifest"):
        collect_run(str(run), str(tmp_path / "artifact"), str(tmp_path / "model"))
    assert not (tmp_path / "artifact").exists()


def test_a_file_joins_a_run_that_can_be_reached(run: Path, tmp_path: Path):
    (tmp_path / "page").write_text("new")
    join_run(run.as_uri(), str(tmp_path / "page"), "report.html")
    assert (run / "report.html").read_text() == "new"


def test_a_run_on_object_storage_gives_its_artifacts_and_gets_its_files(run: Path, tmp_path: Path, s3_uri: str):
    open_store(s3_uri).upload_directory(run, "run")
    place = f"{s3_uri}/run"
    collect_run(place, str(tmp_path / "artifact"), str(tmp_path / "model"))
    assert files(tmp_path / "artifact") == set(RUN_FILES)
    assert files(tmp_path / "model") == {"config.json"}
    (tmp_path / "page").write_text("new")
    join_run(place, str(tmp_path / "page"), "report.html")
    assert open_store(place).read("report.html") == b"new"


def test_a_run_without_a_model_is_one_line(run: Path, tmp_path: Path):
    (run / "model" / "config.json").unlink()
    with pytest.raises(InputError, match=r"there is nothing at .*/model"):
        collect_run(str(run), str(tmp_path / "artifact"), str(tmp_path / "model"))
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize("uri", [None, "", "s3://bucket/run", "s3://absent-bucket/run", "/nowhere", "ftp://host/run"])
def test_a_run_out_of_reach_is_said_and_not_an_error(
    tmp_path: Path, uri: str | None, s3_uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    if uri == "s3://bucket/run":
        monkeypatch.delenv("AWS_ACCESS_KEY_ID")
    (tmp_path / "page").write_text("new")
    join_run(uri, str(tmp_path / "page"), "report.html")
    assert capsys.readouterr().out.startswith("report.html stays an artifact")
