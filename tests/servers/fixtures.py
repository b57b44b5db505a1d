"""A prefix of its own on a real object store, for each test that asks for one."""

from __future__ import annotations

import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.servers.rgw import Gateway


@dataclass(frozen=True)
class Bucket:
    """A bucket on a running store.

    Attributes:
        client: of boto3, straight to the server, whatever the environment says.
    """

    gateway: Gateway
    name: str
    client: Any

    def environment(self) -> dict[str, str]:
        """What makes a process of any kind use this store, and nothing else of AWS."""
        return {
            "AWS_ENDPOINT_URL_S3": self.gateway.endpoint,
            "AWS_ACCESS_KEY_ID": self.gateway.access_key,
            "AWS_SECRET_ACCESS_KEY": self.gateway.secret_key,
            "AWS_DEFAULT_REGION": "us-east-1",
            "AWS_CONFIG_FILE": "/dev/null",
            "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
            "AWS_EC2_METADATA_DISABLED": "true",
        }


@pytest.fixture(scope="session")
def bucket(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bucket]:
    """A bucket on Ceph's RGW, which runs as long as this test process; about three seconds for the first test."""
    boto3 = pytest.importorskip("boto3", reason="no boto3 here: pip install 'grokcore[s3]'")
    from botocore.config import Config

    with Gateway(tmp_path_factory.mktemp("rgw")).running() as gateway:
        client = boto3.session.Session().client(
            "s3",
            endpoint_url=gateway.endpoint,
            aws_access_key_id=gateway.access_key,
            aws_secret_access_key=gateway.secret_key,
            region_name="us-east-1",
            config=Config(s3={"addressing_style": "path"}, retries={"mode": "standard", "total_max_attempts": 3}),
        )
        client.create_bucket(Bucket="tests")
        yield Bucket(gateway, "tests", client)


@pytest.fixture
def s3_uri(bucket: Bucket, monkeypatch: pytest.MonkeyPatch) -> str:
    """s3://BUCKET/PREFIX with nothing in it; the environment, that of subprocesses too, leads to it."""
    for name in ("AWS_PROFILE", "AWS_SESSION_TOKEN", "AWS_ENDPOINT_URL", "AWS_RETRY_MODE", "AWS_MAX_ATTEMPTS"):
        monkeypatch.delenv(name, raising=False)
    for name, value in bucket.environment().items():
        monkeypatch.setenv(name, value)
    return f"s3://{bucket.name}/{uuid.uuid4().hex}"


@pytest.fixture(params=["file", "s3"])
def store_uri(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty place on either kind of store: a directory, then a prefix."""
    return str(tmp_path / "store") if request.param == "file" else str(request.getfixturevalue("s3_uri"))
