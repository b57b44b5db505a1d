"""A real registry of images, that of Debian's package docker-registry, on this machine alone."""

from __future__ import annotations

import json
import urllib.request
from http.client import HTTPConnection
from pathlib import Path

from tests.servers.process import Server, answers, free_port

_ACCEPTED = "application/vnd.oci.image.manifest.v1+json, application/vnd.docker.distribution.manifest.v2+json"


class Registry(Server):
    """Takes images over HTTP without asking who pushes.

    Attributes:
        address: host:port, the first part of an image's name.
        settings: file for CONTAINERS_REGISTRIES_CONF, so that podman and buildah speak HTTP with it.
    """

    PROGRAMS = ("docker-registry",)
    REMEDY = "apt-get install docker-registry"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._port = free_port()
        self.address = f"127.0.0.1:{self._port}"
        self.settings = directory / "registries.conf"

    def start(self) -> None:
        self.settings.write_text(f'[[registry]]\nlocation = "{self.address}"\ninsecure = true\n')
        configuration = {
            "version": "0.1",
            "storage": {"filesystem": {"rootdirectory": str(self.directory / "data")}},
            "http": {"addr": self.address},
        }
        file = self.directory / "config.yml"
        file.write_text(json.dumps(configuration))  # JSON is YAML
        self.start_process("docker-registry", "serve", str(file))
        self.wait_until(lambda: answers(HTTPConnection("127.0.0.1", self._port, timeout=1)))

    def digest(self, repository: str, tag: str) -> str:
        """By what the registry itself knows an image."""
        request = urllib.request.Request(
            f"http://{self.address}/v2/{repository}/manifests/{tag}", headers={"Accept": _ACCEPTED}, method="HEAD"
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            return str(answer.headers["Docker-Content-Digest"])
