"""How long a list and a comparison of many runs take on a real S3 server, and how many requests they send."""

from __future__ import annotations

import json
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, redirect_stdout
from io import StringIO
from pathlib import Path
from unittest.mock import patch

import grokcore
from ci.benchmarks.many_runs import counted_requests, make_runs
from grokcore.cli import main
from grokcore.errors import InputError
from grokcore.spec import load_spec
from grokcore.storage import open_store

PAGE = 1000
"""Keys of a listing, as AWS gives them."""


def measure(runs: int, compared: int, *, preset: str = "smoke", store: str | None = None) -> list[dict[str, object]]:
    """Make runs in a store, list all of them by the command line, twice, and compare some.

    Args:
        runs: how many are listed.
        compared: how many of them are compared.
        preset: of the run that all are made from: it is trained once.
        store: an empty place on object storage; by default Ceph's RGW is started on this machine.

    Returns:
        What was measured: name, runs, seconds of wall clock and of this process's CPU, and requests.
    """
    if not 0 < compared <= runs:
        raise InputError(f"{compared} of {runs} runs cannot be compared")
    with (
        tempfile.TemporaryDirectory() as folder,
        patch.dict(os.environ, XDG_CACHE_HOME=f"{folder}/cache"),
        _server(Path(folder), store) as uri,
    ):
        original = _trained(Path(folder), preset)
        begun = time.monotonic()
        make_runs(open_store(uri), compared, original)
        make_runs(open_store(f"{uri}/more"), runs - compared, original)
        print(f"made {runs:,} runs in {time.monotonic() - begun:.0f} s", flush=True)
        out = str(Path(folder) / "comparison")
        return [
            _timed("runs list", runs, lambda: main(["runs", "list", uri])),
            _timed("runs list again", runs, lambda: main(["runs", "list", uri])),
            _timed("compare", compared, lambda: main(["compare", f"{uri}/runs", "--out", out])),
        ]


def _timed(name: str, runs: int, work: Callable[[], int]) -> dict[str, object]:
    began, cpu = time.monotonic(), time.process_time()
    with counted_requests() as requests, redirect_stdout(StringIO()) as output:
        code = work()
    seconds, cpu = time.monotonic() - began, time.process_time() - cpu
    if code != 0:
        raise InputError(f"{name} ended with {code}: {output.getvalue()[-500:]}")
    found = {
        "name": name,
        "runs": runs,
        "seconds": round(seconds, 1),
        "cpu_seconds": round(cpu, 1),
        "requests": len(requests),
        "requests_per_run": round(len(requests) / runs, 2),
    }
    print(json.dumps(found), flush=True)
    return found


@contextmanager
def _server(folder: Path, store: str | None) -> Iterator[str]:
    if store is not None:
        yield store.rstrip("/")
        return
    import boto3
    from botocore.config import Config

    from tests.servers.rgw import Gateway

    with Gateway(folder / "server", page=PAGE).running() as gateway:
        os.environ.update(
            AWS_ENDPOINT_URL_S3=gateway.endpoint,
            AWS_ACCESS_KEY_ID=gateway.access_key,
            AWS_SECRET_ACCESS_KEY=gateway.secret_key,
            AWS_DEFAULT_REGION="us-east-1",
        )
        boto3.client("s3", config=Config(s3={"addressing_style": "path"})).create_bucket(Bucket="benchmark")
        yield "s3://benchmark/store"


def _trained(folder: Path, preset: str) -> Path:
    spec = load_spec(preset)
    grokcore.generate_dataset(spec.task, folder / "data")
    grokcore.train_model(spec, folder / "data", folder / "run")
    grokcore.evaluate_model(folder / "run")
    return folder / "run"
