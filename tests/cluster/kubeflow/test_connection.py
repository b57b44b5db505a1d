"""Connection settings from options and the environment, without exposing secrets."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import certifi
import pytest

from grokcore.cli import main
from grokcore.cluster.kubeflow import connection as module
from grokcore.cluster.kubeflow.connection import connection
from grokcore.errors import InputError
from tests.cluster.kubeflow.conftest import TOKEN, Kubeflow
from tests.servers.grpc_gateway import Fault

VARIABLES = [
    "KF_PIPELINES_ENDPOINT",
    "KF_PIPELINES_UI_ENDPOINT",
    "KF_PIPELINES_SA_TOKEN_PATH",
    "KF_PIPELINES_DEFAULT_EXPERIMENT_NAME",
    "GROKCORE_KFP_TOKEN",
    "GROKCORE_KFP_NAMESPACE",
    "GROKCORE_KFP_CA",
    "SSL_CERT_FILE",
]


@pytest.fixture(autouse=True)
def _bare(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A machine without settings, which is no pod."""
    for variable in VARIABLES:
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setattr(module, "_IN_CLUSTER", tmp_path / "no-pod")
    monkeypatch.setattr(module, "_PROJECTED_TOKEN", tmp_path / "no-token")


def test_without_a_host_the_line_says_how_to_give_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pipeline", "list"]) == 2
    assert capsys.readouterr().err == (
        "grokcore: no Kubeflow given: pass its URL with --host, or set KF_PIPELINES_ENDPOINT\n"
    )


@pytest.mark.parametrize(
    ("given", "host"),
    [
        ("https://kubeflow.example/pipeline/", "https://kubeflow.example/pipeline"),
        ("kubeflow.example", "https://kubeflow.example"),
        ("http://127.0.0.1:8888", "http://127.0.0.1:8888"),
        ("https://kubeflow.example/#/runs", "https://kubeflow.example"),
    ],
)
def test_a_host_is_a_base_url(given: str, host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert connection(host=given).host == host
    monkeypatch.setenv("KF_PIPELINES_ENDPOINT", given)
    assert connection().host == host


@pytest.mark.parametrize("given", ["ftp://kubeflow.example", "https://", "https:///pipeline"])
def test_what_is_no_url_of_kubeflow_is_refused(given: str) -> None:
    with pytest.raises(InputError, match=r"https://kubeflow\.example\.org/pipeline"):
        connection(host=given)


def test_a_password_in_the_url_is_refused_and_not_repeated() -> None:
    with pytest.raises(InputError) as refused:
        connection(host="https://me:s3cret@kubeflow.example")
    assert "--token-file" in str(refused.value)
    assert "s3cret" not in str(refused.value)


def test_no_command_takes_a_token_as_a_flag(capsys: pytest.CaptureFixture[str]) -> None:
    for flag in ("--token", "--existing-token", "--password"):
        with pytest.raises(SystemExit):
            main(["pipeline", "list", flag, "secret"])
    capsys.readouterr()
    with pytest.raises(SystemExit):
        main(["pipeline", "submit", "--help"])
    assert "Tokens are not accepted on the command line" in " ".join(capsys.readouterr().out.split())


def test_a_token_comes_from_the_flag_s_file_then_the_environment_then_the_pod(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def token(**flags: str) -> str | None:
        found = connection(host="h", **flags).token
        return found.read() if found else None

    projected, variable, flag = tmp_path / "projected", tmp_path / "variable", tmp_path / "flag"
    assert token() is None
    projected.write_text("of-the-pod")
    monkeypatch.setattr(module, "_PROJECTED_TOKEN", projected)
    assert token() == "of-the-pod"
    variable.write_text("of-a-file-in-the-environment")
    monkeypatch.setenv("KF_PIPELINES_SA_TOKEN_PATH", str(variable))
    assert token() == "of-a-file-in-the-environment"
    monkeypatch.setenv("GROKCORE_KFP_TOKEN", " of-the-environment\n")
    assert token() == "of-the-environment"
    flag.write_text("of-the-flag\n")
    assert token(token_file=str(flag)) == "of-the-flag"


@pytest.mark.parametrize("content", ["", "\n", "two tokens", "-----BEGIN\nKEY-----"])
def test_a_file_that_is_no_token_is_refused_without_its_content(content: str, tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text(content)
    with pytest.raises(InputError, match="must hold one token and nothing else") as refused:
        connection(host="h", token_file=str(file))
    assert "BEGIN" not in str(refused.value)


@pytest.mark.parametrize("content", ["two words", "words\nX-Header: 1", "wörter"])
def test_a_variable_that_is_no_token_is_refused_without_its_content(
    content: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GROKCORE_KFP_TOKEN", content)
    with pytest.raises(InputError, match="GROKCORE_KFP_TOKEN must hold one token") as caught:
        connection(host="h")
    assert "words" not in str(caught.value)


def test_certificates_that_are_none_are_refused(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.write_text("not a certificate")
    with pytest.raises(InputError, match=r"--ca names .*ca\.pem, which holds no certificates in PEM"):
        connection(host="h", ca=str(ca))


def test_a_token_file_that_is_not_there_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pipeline", "list", "--host", "h", "--token-file", str(tmp_path / "absent")]) == 2
    assert f"the token file {tmp_path / 'absent'} cannot be read: No such file" in capsys.readouterr().err


def test_in_a_pod_nothing_needs_to_be_said(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    pod = tmp_path / "serviceaccount"
    pod.mkdir()
    monkeypatch.setattr(module, "_IN_CLUSTER", pod)
    assert connection().host == "http://ml-pipeline.kubeflow.svc.cluster.local:8888"


def test_namespace_experiment_pages_and_certificates_come_from_flags_or_the_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    plain = connection(host="https://kubeflow.example")
    assert (plain.namespace, plain.experiment, plain.ca) == (None, "grokcore", None)
    assert plain.run_page("7") == "https://kubeflow.example/#/runs/details/7"
    ca = tmp_path / "ca.pem"
    ca.write_bytes(Path(certifi.where()).read_bytes())
    monkeypatch.setenv("GROKCORE_KFP_NAMESPACE", "lab")
    monkeypatch.setenv("KF_PIPELINES_DEFAULT_EXPERIMENT_NAME", "nightly")
    monkeypatch.setenv("KF_PIPELINES_UI_ENDPOINT", "https://ui.example/pipeline")
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    named = connection(host="https://kubeflow.example")
    assert (named.namespace, named.experiment, named.ca) == ("lab", "nightly", ca)
    assert named.run_page("7") == "https://ui.example/pipeline/#/runs/details/7"
    flags = connection(host="h", namespace="mine", experiment="today")
    assert (flags.namespace, flags.experiment) == ("mine", "today")
    with pytest.raises(InputError, match=r"--ca names .*absent, which cannot be read: No such file"):
        connection(host="h", ca=str(tmp_path / "absent"))


def test_the_token_stands_in_no_output_even_when_the_server_echoes_it(
    direct: Kubeflow, capsys: pytest.CaptureFixture[str]
) -> None:
    body = f'{{"message": "who is Bearer {TOKEN}?", "code": 3}}'.encode()
    direct.server.faults = [Fault(status=400, body=body)]
    assert main(["pipeline", "list", *direct.flags]) == 4
    output = capsys.readouterr()
    assert TOKEN not in output.out + output.err
    assert "who is Bearer [token]?" in output.err
    assert TOKEN not in repr(connection(host=direct.host, token_file=str(direct.token_file)))


def test_a_token_over_an_open_line_to_elsewhere_is_warned_of(
    capsys: pytest.CaptureFixture[str], direct: Kubeflow
) -> None:
    assert main(["pipeline", "list", *direct.flags]) == 0
    assert "unencrypted" not in capsys.readouterr().err
    from grokcore.cli.pipeline_options import _warn_of_open_token

    for host, warned in (
        ("http://kubeflow.example.org/x", True),
        ("https://kubeflow.example.org", False),
        ("http://ml-pipeline.kubeflow.svc.cluster.local:8888", False),
        ("http://ml-pipeline.kubeflow.svc:8888", False),
    ):
        _warn_of_open_token(connection(host=host, token_file=str(direct.token_file)))
        assert ("unencrypted to" in capsys.readouterr().err) == warned


def test_nothing_is_written_into_or_read_from_the_home_directory(
    direct: Kubeflow, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "home"
    context = home / ".config" / "kfp" / "context.json"
    context.parent.mkdir(parents=True)
    context.write_text('{"namespace": "another", "client_authentication_cookie": "c"}')
    context.chmod(stat.S_IRUSR)
    monkeypatch.setenv("HOME", str(home))
    assert main(["pipeline", "upload", "grokking_experiment", *direct.flags]) == 0
    assert [str(path.relative_to(home)) for path in home.rglob("*") if path.is_file()] == [".config/kfp/context.json"]
    assert not direct.server.made("GET /apis/v2beta1/healthz")
    assert "another" not in str(direct.server.requests)
    assert os.environ["HOME"] == str(home)
