import pytest

from grokcore.errors import InputError
from grokcore.storage.layout import comparable_runs, run_place, run_uri

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
