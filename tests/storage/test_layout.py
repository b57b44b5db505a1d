import pytest

from grokcore.errors import InputError
from grokcore.storage.layout import comparable_runs, default_key, run_place, run_uri

RUN = "/store/runs/0123456789abcdef/first"


def test_a_run_lies_under_its_id_and_key():
    assert run_uri("s3://bucket/store/", "abc", "first") == "s3://bucket/store/runs/abc/first"


@pytest.mark.parametrize("key", ["", "..", ".", "a/b", "../b", "a b", "-a", "a\n", "x" * 129])
def test_a_key_is_a_plain_name(key: str):
    with pytest.raises(InputError, match="run_key"):
        run_uri("/store", "abc", key)


def test_no_store_means_no_place(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.delenv("GROKCORE_STORE", raising=False)
    monkeypatch.setenv("GROKCORE_RUN_KEY", "cluster")
    assert run_place("", "abc", "") is None
    monkeypatch.setenv("GROKCORE_STORE", "/store")
    assert run_place("", "abc", "") == "/store/runs/abc/cluster"
    assert run_place("/mine", "abc", "key") == "/mine/runs/abc/key"


RUN_UUID = "0d6f2f8e-7c4b-4b57-9f5c-6a2f5f1f2f10"
EXECUTION = "f4a7a1c2-1111-4222-8333-444455556666"


@pytest.mark.parametrize(
    ("artifact", "key"),
    [
        (f"s3://lab/artifacts/mine/{RUN_UUID}/train-model/{EXECUTION}/run", RUN_UUID),
        (f"minio://mlpipeline/v2/artifacts/mine/{RUN_UUID}/train-model/run", RUN_UUID),
        (f"s3://lab/{EXECUTION}/mine/{RUN_UUID}/train-model/{EXECUTION}/run", RUN_UUID),
        ("/out/mine-2026-11-30-12-00-00-123456/train-model/run", "mine-2026-11-30-12-00-00-123456"),
        ("/tmp/test_it0/run", ""),
        ("/data/2026-11-30/train/run", ""),
        ("", ""),
    ],
)
def test_the_last_default_of_a_key_is_the_pipeline_run_in_an_artifact(
    monkeypatch: pytest.MonkeyPatch, artifact: str, key: str
):
    monkeypatch.delenv("GROKCORE_RUN_KEY", raising=False)
    assert default_key("", artifact) == key
    assert default_key("mine", artifact) == "mine"
    monkeypatch.setenv("GROKCORE_RUN_KEY", "cluster")
    assert default_key("", artifact) == "cluster"


@pytest.mark.parametrize("uri", ["/store/runs/fedcba9876543210/second", "s3://bucket/runs/a/b"])
def test_runs_of_the_same_store_and_of_object_storage_can_be_compared(uri: str):
    assert comparable_runs([uri], RUN) == [uri]


@pytest.mark.parametrize(
    "uri", ["/etc", "/store/other", "/store/runs/../../etc", "file:///store/runs/a/b", "", "runs/a"]
)
@pytest.mark.parametrize("run", [RUN, ""])
def test_any_other_path_is_refused(uri: str, run: str):
    with pytest.raises(InputError, match="compare_run_uris"):
        comparable_runs([uri], run)
