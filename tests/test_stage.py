import json
from pathlib import Path

import pytest

from grokcore.errors import GrokcoreError, InputError, StoppedError, TransientError
from grokcore.stage import Failure, stage
from grokcore.storage import open_store


@pytest.fixture(autouse=True)
def _first_attempt(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GROKCORE_ERROR_FILE", "GROKCORE_RUN_KEY", "GROKCORE_STOP", "KFP_RETRY_INDEX"):
        monkeypatch.delenv(name, raising=False)


def fail(place: Path | None, error: Exception) -> None:
    with stage("train", place):
        raise error


@pytest.mark.parametrize(
    ("error", "code", "kind"),
    [
        (InputError("wrong"), 2, "bad input"),
        (TransientError("busy"), 75, "transient"),
        (StoppedError("saved"), 143, "stopped"),
        (GrokcoreError("odd"), 1, "error"),
    ],
)
def test_an_error_of_ours_is_one_line_and_its_exit_code(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], error: GrokcoreError, code: int, kind: str
):
    with pytest.raises(SystemExit) as exit_:
        fail(tmp_path / "run", error)
    assert exit_.value.code == code
    assert capsys.readouterr().err == f"train: {error}\n"
    assert json.loads((tmp_path / "run" / "error.json").read_text()) == {
        "stage": "train",
        "kind": kind,
        "message": str(error),
        "exit_code": code,
        "caller": "",
    }


def test_a_bug_keeps_its_traceback_and_leaves_one_line(tmp_path: Path):
    with pytest.raises(KeyError):
        fail(tmp_path, KeyError("first\nsecond"))
    failure = Failure.read(tmp_path / "error.json")
    assert failure is not None
    assert (failure.kind, failure.exit_code) == ("bug", 1)
    assert "\n" not in failure.message


def test_success_removes_the_error_of_an_earlier_attempt(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(SystemExit):
        fail(tmp_path, TransientError("busy"))
    monkeypatch.setenv("KFP_RETRY_INDEX", "1")
    with stage("train", tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_retry_of_bad_input_does_not_work_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(SystemExit):
        fail(tmp_path, InputError("wrong"))
    monkeypatch.setenv("KFP_RETRY_INDEX", "2")
    worked = []
    with pytest.raises(SystemExit) as exit_, stage("train", tmp_path):
        worked.append(True)
    assert exit_.value.code == 2
    assert not worked
    assert (tmp_path / "error.json").exists()


def test_a_retry_heeds_no_other_pipelines_bad_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GROKCORE_RUN_KEY", "second")
    with pytest.raises(SystemExit):
        fail(tmp_path, InputError("the place holds another run"))
    monkeypatch.setenv("KFP_RETRY_INDEX", "1")
    monkeypatch.setenv("GROKCORE_RUN_KEY", "first")
    done = False
    with stage("train", tmp_path):
        done = True
    assert done


def test_a_first_attempt_ignores_what_an_earlier_submission_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with pytest.raises(SystemExit):
        fail(tmp_path, InputError("wrong"))
    monkeypatch.setenv("KFP_RETRY_INDEX", "0")
    with stage("train", tmp_path):
        assert not (tmp_path / "error.json").exists()


def test_no_stage_begins_once_the_runner_was_told_to_stop(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GROKCORE_STOP", "1")
    worked = []
    with pytest.raises(SystemExit) as exit_, stage("evaluate"):
        worked.append(True)
    assert exit_.value.code == 143
    assert not worked


def test_the_error_survives_where_it_cannot_be_recorded(tmp_path: Path, capsys: pytest.CaptureFixture[str]):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as exit_:
        fail(tmp_path / "file", InputError("wrong"))
    assert exit_.value.code == 2
    assert capsys.readouterr().err == "train: wrong\n"


def test_the_error_also_goes_where_the_environment_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GROKCORE_ERROR_FILE", str(tmp_path / "last.json"))
    with pytest.raises(SystemExit):
        fail(None, InputError("wrong"))
    failure = Failure.read(tmp_path / "last.json")
    assert failure is not None
    assert isinstance(failure.error(), InputError)
    assert failure.error().exit_code == 2


@pytest.mark.parametrize("content", ["", "[]", '{"stage": "train"}', '{"stage": 1, "kind": 2, "message": 3}'])
def test_a_damaged_record_counts_as_none(tmp_path: Path, content: str):
    (tmp_path / "error.json").write_text(content)
    assert Failure.read(tmp_path / "error.json") is None


def test_the_record_of_a_failure_lies_on_object_storage_too(s3_uri: str, monkeypatch: pytest.MonkeyPatch):
    place = f"{s3_uri}/run"
    with pytest.raises(SystemExit), stage("train", place):
        raise InputError("wrong")
    assert open_store(place).read_json("error.json")["message"] == "wrong"

    monkeypatch.setenv("KFP_RETRY_INDEX", "1")
    worked = []
    with pytest.raises(SystemExit) as exit_, stage("train", place):
        worked.append(True)
    assert exit_.value.code == 2
    assert not worked

    monkeypatch.delenv("KFP_RETRY_INDEX")
    with stage("train", place):
        pass
    assert open_store(place).find("error.json") is None


def test_an_error_is_told_where_its_store_cannot_be_reached(
    s3_uri: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setenv("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9")
    monkeypatch.setenv("AWS_MAX_ATTEMPTS", "1")
    with pytest.raises(SystemExit) as exit_, stage("train", f"{s3_uri}/run"):
        raise InputError("wrong")
    assert exit_.value.code == 2
    assert capsys.readouterr().err == "train: wrong\n"
