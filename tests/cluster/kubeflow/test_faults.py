"""Messages and retries when the API or the connection to it fails."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from grokcore.cli import main
from grokcore.cluster.kubeflow.api import KubeflowApi
from grokcore.cluster.kubeflow.connection import connection
from grokcore.cluster.kubeflow.errors import ApiError, AuthError, NotFoundError, UnavailableError
from tests.cluster.kubeflow.conftest import TOKEN, Kubeflow
from tests.servers.grpc_gateway import Fault
from tests.servers.kubeflow import fake_kubeflow
from tests.servers.process import free_port
from tests.servers.webhooks import receiver

LOGIN = b"<html><body>Log in</body></html>"


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        (Fault(status=401), "did not authenticate the request (401)"),
        (Fault(status=403), "does not authorize the token in"),
        (Fault(status=404, body=b"<html>nginx</html>"), "is not the API of Kubeflow Pipelines: it has no such page"),
        (Fault(status=302, body=b"", headers={"Location": "/dex/auth"}), "redirects (302), as to a login"),
        (Fault(status=200, body=LOGIN), "the response is not in its format"),
        (Fault(status=200, body=b"[1, 2]"), "the response is not in its format"),
        (Fault(status=200, body=b"\xff\xfe"), "the response is not in its format"),
        (Fault(status=200, body=b'{"pipelines": [{"created_at": "yesterday"}]}'), "the response is not in its format"),
        (Fault(status=400), "refused the request (400): Internal error 400: made up"),
        (Fault(status=418, body=LOGIN), "refused the request (418)"),
    ],
)
def test_what_asking_again_does_not_help_is_one_line_and_exit_code_4_at_once(
    fault: Fault, said: str, direct: Kubeflow, capsys: pytest.CaptureFixture[str]
) -> None:
    fault.times = 100
    direct.server.faults = [fault]
    assert main(["pipeline", "list", *direct.flags]) == 4
    error = capsys.readouterr().err
    assert said in error
    assert error.startswith("grokcore: ")
    assert error.count("\n") == 1
    assert len(error) < 500
    assert len(direct.server.requests) == 1


@pytest.mark.parametrize("status", [500, 502, 503, 504, 429, None])
def test_a_question_is_asked_again_over_an_outage(status: int | None, direct: Kubeflow) -> None:
    direct.server.faults = [Fault(status=status, times=3, body=b"bad gateway" if status == 502 else None)]
    paused: list[float] = []
    api = KubeflowApi(connection(host=direct.host, token_file=str(direct.token_file)), sleep=paused.append)
    assert list(api.pipelines()) == []
    assert len(direct.server.requests) == 4
    assert paused == [0.5, 1.0, 2.0]


def test_an_outage_that_outlasts_the_patience_says_so(direct: Kubeflow) -> None:
    direct.server.faults = [Fault(times=100)]
    with pytest.raises(UnavailableError, match=r"failed \(500\): Internal error 500: made up; try again later"):
        list(direct.api(patience=0.6).pipelines())
    assert len(direct.server.requests) == 2


def test_a_request_that_changes_something_is_made_once(direct: Kubeflow) -> None:
    direct.server.faults = [Fault("POST /apis/v2beta1/experiments", times=100)]
    with pytest.raises(UnavailableError):
        direct.api(patience=60.0).ensure_experiment()
    assert len(direct.server.made("POST")) == 1


def test_nobody_there_is_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    host = f"http://127.0.0.1:{free_port()}"
    with pytest.raises(UnavailableError, match=f"{host} is unreachable: .*refused; is it up, and is the URL right?"):
        list(KubeflowApi(connection(host=host), patience=0).pipelines())


def test_a_host_that_has_no_address_is_one_line() -> None:
    with pytest.raises(UnavailableError, match=r"https://kubeflow\.invalid is unreachable"):
        list(KubeflowApi(connection(host="kubeflow.invalid"), patience=0).pipelines())


def test_an_answer_that_does_not_come_is_not_waited_for_forever(direct: Kubeflow) -> None:
    direct.server.faults = [Fault(wait=3.0)]
    with pytest.raises(UnavailableError, match="timed out"):
        list(direct.api(timeout=(5.0, 0.2)).pipelines())


def test_without_a_token_the_line_says_how_to_give_one(direct: Kubeflow, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["pipeline", "list", "--host", direct.host]) == 4
    assert "give a token: --token-file FILE, or GROKCORE_KFP_TOKEN in the environment" in capsys.readouterr().err


def test_a_token_that_was_replaced_meanwhile_is_read_again(direct: Kubeflow) -> None:
    direct.server.tokens = {"fresh"}
    read = Path.read_text

    def replaced(path: Path, *arguments: str) -> str:
        text = read(path, *arguments)
        if path == direct.token_file:
            direct.token_file.write_text("fresh")
        return text

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Path, "read_text", replaced)
        api = KubeflowApi(connection(host=direct.host, token_file=str(direct.token_file)), patience=0)
        direct.token_file.write_text("stale")
        assert list(api.pipelines()) == []
    assert len(direct.server.requests) <= 2


def test_a_token_that_stays_wrong_is_not_tried_for_ever(direct: Kubeflow) -> None:
    direct.token_file.write_text("another-token")
    with pytest.raises(AuthError, match=f"the token in {direct.token_file} is not valid here"):
        list(direct.api(patience=60.0).pipelines())
    assert len(direct.server.requests) == 1


def test_what_the_api_does_not_know_is_told_from_what_is_no_api(direct: Kubeflow) -> None:
    api = direct.api()
    assert api.pipeline("nothing") is None
    with pytest.raises(NotFoundError, match="Run 123 not found"):
        api.run("123")
    wrong = KubeflowApi(connection(host=f"{direct.host}/wrong", token_file=str(direct.token_file)), patience=0)
    direct.server.faults = [Fault(status=404, body=LOGIN)]
    with pytest.raises(ApiError, match="must be the base URL of /apis/v2beta1"):
        wrong.pipeline("nothing")


def test_an_unknown_authority_is_one_line_and_ca_makes_it_known(tmp_path: Path) -> None:
    with receiver(tls=tmp_path) as server:
        host = f"https://localhost:{server.server_address[1]}"
        with pytest.raises(ApiError, match=r"is not trusted: .*certificate.*give its CA file with --ca"):
            list(KubeflowApi(connection(host=host), patience=0).pipelines())
        trusted = connection(host=host, ca=str(tmp_path / "certificate.pem"))
        with pytest.raises(ApiError, match="the response is not in its format"):  # it is a receiver of webhooks
            list(KubeflowApi(trusted, patience=0).pipelines())
        assert server.paths == ["/apis/v2beta1/pipelines?page_token=&page_size=100"]


def test_all_pages_are_read(direct: Kubeflow) -> None:
    direct.server.largest_page = 2
    api = direct.api()
    experiment = api.ensure_experiment()
    for number in range(5):
        direct.server.add_run(display_name=f"run {number}", experiment_id=experiment)
    assert [run.name for run in api.runs(experiment)] == [f"run {number}" for number in (4, 3, 2, 1, 0)]
    assert len(direct.server.made("GET /apis/v2beta1/runs")) == 3
    assert [run.name for run in api.runs(experiment, limit=3)] == ["run 4", "run 3", "run 2"]


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_proxy_that_is_down_is_input(
    scheme: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv(f"{scheme}_proxy", f"http://me:hidden@127.0.0.1:{free_port()}")
    host = f"{scheme}://kubeflow.example"
    assert main(["pipeline", "list", "--host", host]) == 2
    assert capsys.readouterr().err == (
        f"grokcore: {host} is unreachable through the proxy in {scheme}_proxy; check {scheme}_proxy\n"
    )


def test_a_proxy_that_goes_away_after_it_has_served_may_come_back(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in plays the proxy."""
    with fake_kubeflow() as proxy:
        monkeypatch.setenv("http_proxy", proxy.url)
        api = KubeflowApi(connection(host="http://kubeflow.invalid"), patience=0)
        assert list(api.pipelines()) == []
        proxy.faults = [Fault(status=None)]
        with pytest.raises(UnavailableError):  # its connection breaks
            list(api.pipelines())
    with pytest.raises(UnavailableError, match=r"unreachable through the proxy in http_proxy: .*refused"):
        list(api.pipelines())


def test_a_page_that_repeats_itself_is_asked_for_twice(direct: Kubeflow, capsys: pytest.CaptureFixture[str]) -> None:
    direct.server.faults = [Fault(status=200, body=b'{"pipelines": [], "next_page_token": "again"}', times=100)]
    assert main(["pipeline", "list", *direct.flags]) == 4
    assert "repeats a page of its list without end" in capsys.readouterr().err
    assert len(direct.server.requests) == 2


def test_a_proxy_of_the_environment_is_used(direct: Kubeflow, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stand-in plays the proxy: it is asked for a host that does not exist."""
    monkeypatch.setenv("http_proxy", direct.host)
    monkeypatch.setenv("no_proxy", "localhost")
    api = KubeflowApi(connection(host="http://kubeflow.invalid", token_file=str(direct.token_file)), patience=0)
    assert list(api.pipelines()) == []
    assert direct.server.requests == ["GET /apis/v2beta1/pipelines?page_token=&page_size=100"]


def test_a_reader_that_has_no_kfp_is_told_what_to_install(tmp_path: Path) -> None:
    (tmp_path / "kfp_server_api.py").write_text("raise ModuleNotFoundError(name='kfp_server_api')")
    program = "import sys; from grokcore.cli import main; sys.exit(main(['pipeline', 'list', '--host', 'h']))"
    environment = {"PYTHONPATH": f"{tmp_path}:{Path(__file__).parents[3]}", "PATH": "/usr/bin:/bin"}
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 2
    assert done.stderr == "grokcore: pipeline needs kfp_server_api: pip install 'grokcore[pipelines]'\n"


def test_the_token_is_sent_with_every_request(direct: Kubeflow) -> None:
    direct.server.tokens = {TOKEN}
    api = direct.api()
    api.ensure_experiment()
    assert len(direct.server.requests) == 2
