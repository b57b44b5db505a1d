"""Names and contents of the images."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

import grokcore
from grokcore.errors import InputError

ROOT = Path(__file__).parents[2]
IMAGES = ("runtime", "trainer")


@dataclass(frozen=True)
class Image:
    """One image of a release: `REGISTRY/grokcore-NAME:TAG`."""

    name: str
    registry: str
    tag: str

    @property
    def repository(self) -> str:
        return f"{self.registry}/grokcore-{self.name}"

    @property
    def reference(self) -> str:
        return f"{self.repository}:{self.tag}"

    @property
    def containerfile(self) -> Path:
        return ROOT / "images" / self.name / "Containerfile"


def images(names: tuple[str, ...], *, registry: str, tag: str = "") -> list[Image]:
    """The images of these names, by default with grokcore's version as their tag.

    Raises:
        InputError: the tag moves, and Kubeflow's cache, which goes by names, would take an old image for a new one.
    """
    tag = tag or grokcore.__version__
    if tag == "latest":
        raise InputError("the tag latest moves: give one that never changes its content, such as a version or a commit")
    return [Image(name, registry.rstrip("/"), tag) for name in names]


def revision() -> str:
    """The commit of the checkout, with -dirty where files differ from it; `unknown` outside one."""
    command = ["git", "-C", str(ROOT), "describe", "--always", "--abbrev=40", "--exclude=*", "--dirty"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return "unknown"
    return done.stdout.strip() if done.returncode == 0 else "unknown"
