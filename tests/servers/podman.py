"""podman, and its service that speaks docker's API for programs that know no other."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from tests.servers.process import Server

CONFIGURATION = Path(__file__).with_name("containers.conf")


def podman_environment() -> dict[str, str]:
    """The environment in which podman and buildah work inside a container or a small machine too."""
    return {**os.environ, "CONTAINERS_CONF": os.environ.get("CONTAINERS_CONF", str(CONFIGURATION))}


def podman(*arguments: str, timeout: float = 120) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["podman", *arguments],
        env=podman_environment(),
        capture_output=True,
        text=True,
        check=False,
        timeout=timeout,
        stdin=subprocess.DEVNULL,
    )


class Podman(Server):
    """The service that `docker` programs talk to.

    Attributes:
        url: the value of DOCKER_HOST for them.
    """

    PROGRAMS = ("podman",)
    REMEDY = "apt-get install podman runc"

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self._socket = directory / "podman.sock"
        self.url = f"unix://{self._socket}"

    @classmethod
    def obstacle(cls) -> str:
        if missing := super().obstacle():
            return missing
        tried = podman("info")
        return "" if tried.returncode == 0 else f"podman does not work here: {tried.stderr.strip()}"

    def start(self) -> None:
        command = ("podman", "system", "service", "--time", "0", self.url)
        environment = [f"{name}={value}" for name, value in podman_environment().items() if name == "CONTAINERS_CONF"]
        self.start_process("env", *environment, *command)
        self.wait_until(self._socket.exists)
