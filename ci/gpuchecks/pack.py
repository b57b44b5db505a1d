"""Prepare the folder of wheels for a lent machine, for another Python than this one too."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Collection
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import PackageNotFoundError
from pathlib import Path

from packaging.utils import canonicalize_name, parse_wheel_filename

from ci.gpuchecks.wheels import NOTES, WheelsError
from ci.imagebuild.requirements import ROOT, TRAINER, constraints, locked, needed_packages

GROUPS: tuple[tuple[str, tuple[str, ...], tuple[str, ...]], ...] = (
    ("grokcore", ("train",), ()),
    ("report", ("report",), ()),
    ("metrics", ("metrics",), ()),
    ("tests", (), ("pytest", "pytest-timeout")),
    ("kernels", (), ("fla-core", "einops")),
    ("deepspeed", ("deepspeed",), ()),
)
"""Name, extras of grokcore and further packages, by importance: what is over the limit is left out from the end."""
THERE = ("torch", "transformers", "triton", "numpy")
"""Packages that the machine has, with all that they need themselves. What a carried package needs is carried, too: a
machine may have an older one."""
SOURCES = ("deepspeed",)
"""Published as source only; its wheel is pure Python as long as nothing is compiled ahead."""
NEVER = {
    "mamba-ssm": "published as source only, and built for the torch and the GPU that run it",
    "causal-conv1d": "published as source only, and built for the torch and the GPU that run it",
}
PLATFORMS = ("manylinux_2_28_x86_64", "manylinux_2_27_x86_64", "manylinux_2_17_x86_64", "manylinux2014_x86_64")
MIB = 2**20


@dataclass(frozen=True)
class LeftOut:
    package: str
    why: str

    def __str__(self) -> str:
        return f"{self.package}: {self.why}"


def make_pack(
    folder: Path, *, python: str = "3.12", limit_mib: float = 60, there: Collection[str] = ()
) -> list[LeftOut]:
    """Fill a folder with the wheels of everything that fits, most important first.

    Args:
        python: of the machine that they are for.
        limit_mib: size of the whole folder.
        there: packages that the machine has beside torch, transformers, triton and numpy.

    Returns:
        What is not in it, and why.

    """
    folder.mkdir(parents=True, exist_ok=True)
    for old in folder.glob("*.whl"):
        old.unlink()
    left_out, size = [LeftOut(name, why) for name, why in NEVER.items()], 0
    on_machine = {canonicalize_name(name) for name in (*THERE, *there)}
    seen: set[str] = set(on_machine)
    with tempfile.TemporaryDirectory() as scratch:
        for group, extras, more in GROUPS:
            for name in sorted(_needed(extras, more, on_machine) - seen):
                seen.add(name)
                try:
                    wheel = _wheel(name, Path(scratch), python)
                except WheelsError as error:
                    left_out.append(LeftOut(name, str(error)))
                    continue
                bytes_ = wheel.stat().st_size
                if size + bytes_ > limit_mib * MIB:
                    left_out.append(LeftOut(name, f"{bytes_ / MIB:.1f} MiB, for {group}, are over the limit"))
                    continue
                size += bytes_
                wheel.rename(folder / wheel.name)
    notes = {"python": python, "bytes": size, "left_out": {one.package: one.why for one in left_out}}
    (folder / NOTES).write_text(json.dumps(notes, indent=1) + "\n", "utf-8")
    return left_out


def _needed(extras: tuple[str, ...], more: tuple[str, ...], without: Collection[str]) -> set[str]:
    """Return further packages and those of extras, with all that they need as far as they are installed here."""
    found = needed_packages(extras, without=without) | set(more)
    for name in more:
        with suppress(PackageNotFoundError):
            found |= needed_packages((), without=without, name=name)
    return found


def _wheel(name: str, scratch: Path, python: str) -> Path:
    """Fetch or build the wheel of a package in the version that everything is tested with.

    Raises:
        WheelsError: there is none for that Python.
    """
    version = constraints().get(name) or locked(TRAINER.folder / "requirements.txt").get(name, ("", frozenset()))[0]
    if not version:
        raise WheelsError("neither ci/constraints.txt nor images/trainer/requirements.txt has a version of it")
    target = scratch / name
    if name in SOURCES:
        arguments = ["wheel", "--no-deps", "--no-build-isolation", "--wheel-dir", str(target)]
    else:
        arguments = ["download", "--no-deps", "--only-binary=:all:", "--implementation", "cp", "--dest", str(target)]
        arguments += ["--python-version", python, *(word for one in PLATFORMS for word in ("--platform", one))]
    command = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--quiet", *arguments, f"{name}=={version}"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    wheels = list(target.glob("*.whl")) if target.exists() else []
    if done.returncode or not wheels:
        reasons = [line for line in done.stderr.splitlines() if line.startswith("ERROR")] or ["no wheel"]
        raise WheelsError(f"{version}: {reasons[-1][:200]}")
    if name in SOURCES and not str(next(iter(parse_wheel_filename(wheels[0].name)[3]))).endswith("-none-any"):
        raise WheelsError(f"{version}: its build is for this machine alone: {wheels[0].name}")
    return wheels[0]
