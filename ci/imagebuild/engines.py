"""docker, podman and buildah: the few commands in which they differ."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from grokcore.errors import GrokcoreError, InputError, TransientError

ENGINES = ("docker", "podman", "buildah")
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")


@dataclass(frozen=True)
class Engine:
    """A program that builds and pushes images."""

    name: str

    def build(self, arguments: list[str], context: Path) -> None:
        """
        Raises:
            GrokcoreError: a step of the build failed; the engine has said which, and why.
        """
        environment = {**os.environ, "DOCKER_BUILDKIT": "1"}
        code = subprocess.run([self.name, "build", *arguments, str(context)], env=environment, check=False).returncode
        if code:
            raise GrokcoreError(f"{self.name} build failed with {code}: its last lines above say at which step")

    def push(self, reference: str) -> str:
        """Push an image, and return the digest by which its registry knows it.

        Raises:
            TransientError: the registry did not take it.
        """
        if self.name == "docker":
            self._pushed(reference, "push", reference)
            known = json.loads(self._output("image", "inspect", "--format", "{{json .RepoDigests}}", reference))
            repository = reference.rpartition(":")[0]
            found = [digest for digest in known if digest.startswith(f"{repository}@")]
            text = found[0] if found else ""
        else:
            with tempfile.TemporaryDirectory() as scratch:
                file = Path(scratch) / "digest"
                self._pushed(reference, "push", "--digestfile", str(file), reference)
                text = file.read_text("utf-8")
        digest = _DIGEST.search(text)
        if digest is None:
            raise GrokcoreError(f"{self.name} pushed {reference} and tells no digest of it")
        return digest[0]

    def pinned(self, reference: str) -> str:
        """Pull an image and name it by its digest; one with a digest or of this machine alone (localhost/) stays as is.

        Raises:
            TransientError: no registry gives it.
        """
        if "@sha256:" in reference or reference.startswith("localhost/"):
            return reference
        if subprocess.run([self.name, "pull", reference], check=False).returncode:
            raise TransientError(
                f"{self.name} could not pull {reference}: log in to its registry, or give --base IMAGE"
            )
        if self.name == "buildah":
            text = self._output("inspect", "--type", "image", "--format", "{{.FromImageDigest}}", reference)
        else:
            text = self._output("image", "inspect", "--format", "{{json .RepoDigests}}", reference)
        digest = _DIGEST.search(text)
        if digest is None:
            raise GrokcoreError(f"{self.name} pulled {reference} and tells no digest of it")
        folder, slash, name = reference.rpartition("/")
        return f"{folder}{slash}{name.partition(':')[0]}@{digest[0]}"

    def size(self, reference: str) -> int:
        """Bytes of an image, as this engine counts them."""
        if self.name == "buildah":
            images = json.loads(self._output("images", "--json", reference))
            return _bytes(str(images[0]["size"]))
        return int(self._output("image", "inspect", "--format", "{{.Size}}", reference))

    def _pushed(self, reference: str, *arguments: str) -> None:
        code = subprocess.run([self.name, *arguments], check=False).returncode
        if code:
            raise TransientError(f"{self.name} could not push {reference}: log in to its registry, or try again")

    def _output(self, *arguments: str) -> str:
        done = subprocess.run([self.name, *arguments], capture_output=True, text=True, check=False)
        if done.returncode:
            raise GrokcoreError(f"{self.name} {' '.join(arguments)} failed: {done.stderr.strip()}")
        return done.stdout


def find_engine(name: str = "") -> Engine:
    """The engine of that name, else the first that works here: docker needs its daemon, the others need none.

    Raises:
        InputError: none works.
    """
    for candidate in (name,) if name else ENGINES:
        if shutil.which(candidate) and _works(candidate):
            return Engine(candidate)
    what = f"{name} does not work here" if name else "no docker (with its daemon), podman or buildah works here"
    raise InputError(f"{what}: on Debian and Ubuntu, apt-get install podman")


def _works(name: str) -> bool:
    try:
        return subprocess.run([name, "info"], capture_output=True, check=False, timeout=30).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def _bytes(text: str) -> int:
    """1.1 GB as a number."""
    number, unit = text.split()
    return int(float(number) * {"B": 1, "KB": 1e3, "MB": 1e6, "GB": 1e9}[unit.upper()])
