"""The hash-locked requirements of the images: `ci/build-images --lock-requirements`, and whether they have drifted.

Three files per image, since pip takes hashes for all lines of a file or for none:

    requirements.txt        wheels that run in the image
    sources.txt             what is published as source only, or must be compiled against the image's own torch
    build-requirements.txt  what builds the sources and grokcore itself, in a stage that is thrown away
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Collection
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import cast

from packaging.markers import default_environment
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from grokcore.errors import InputError

ROOT = Path(__file__).parents[2]
CONSTRAINTS = ROOT / "ci" / "constraints.txt"
PYTHON = "3.11"
"""The interpreter of the images."""
PLATFORM = "x86_64-manylinux_2_28"

HEADER = "# Made by ci/build-images --lock-requirements from ci/constraints.txt: do not edit.\n"
BUILDERS = ("hatchling", "setuptools", "wheel")


@dataclass(frozen=True)
class Lock:
    """Packages of an image.

    Attributes:
        extras: of grokcore.
        more: requirements beside those of grokcore.
        sources: built in the image's own builder stage, each with its version, or None for that of ci/constraints.txt.
        builders: what builds them.
        cuda: torch comes with CUDA, from the same files; otherwise it is its CPU build, which has a line of its own.
    """

    image: str
    extras: tuple[str, ...]
    more: tuple[str, ...]
    sources: dict[str, str | None]
    builders: tuple[str, ...]
    cuda: bool

    @property
    def folder(self) -> Path:
        return ROOT / "images" / self.image


RUNTIME = Lock("runtime", ("all", "mlflow"), (), {"kfp-server-api": None}, BUILDERS, cuda=False)
TRAINER = Lock(
    "trainer",
    ("all", "deepspeed", "mlflow"),
    # of mamba-ssm and causal-conv1d, whose own metadata need torch; and what the extra `cuda` has beside these two
    ("einops", "ninja", "packaging", "triton", "fla-core"),
    {"kfp-server-api": None, "deepspeed": None, "causal-conv1d": "1.7.0", "mamba-ssm": "2.3.1"},
    (*BUILDERS, "ninja", "cuda-toolkit[cccl,crt,cudart,nvcc,nvvm]"),
    cuda=True,
)
LOCKS = (RUNTIME, TRAINER)
_COMES_WITH_CUDA = re.compile(r"(nvidia-|cuda-)|triton$")


def torch_version() -> str:
    """The version of torch that everything is tested with, without a build's suffix."""
    return constraints()["torch"]


def constraints() -> dict[str, str]:
    """Version of each package of ci/constraints.txt, by its normalized name."""
    lines = (line.strip() for line in CONSTRAINTS.read_text("utf-8").splitlines())
    pairs = (line.split("==") for line in lines if line and not line.startswith("#"))
    return {canonicalize_name(name): version for name, version in pairs}


def locked(path: Path) -> dict[str, tuple[str, frozenset[str]]]:
    """Version and hashes of each package of a requirements file.

    Raises:
        ValueError: a line without an exact version, or a duplicate.
    """
    found: dict[str, tuple[str, frozenset[str]]] = {}
    for line in re.sub(r"\\\n\s*", " ", path.read_text("utf-8")).splitlines():
        if not line or line.startswith("#"):
            continue
        match = re.fullmatch(r"([A-Za-z0-9._-]+)==(\S+?)((?: +--hash=sha256:[0-9a-f]{64})*)\s*", line)
        if match is None:
            raise ValueError(f"{path.name}: {line!r} is not NAME==VERSION --hash=sha256:...")
        name = canonicalize_name(match[1])
        if name in found:
            raise ValueError(f"{path.name}: {name} stands twice")
        found[name] = (match[2], frozenset(re.findall(r"sha256:([0-9a-f]{64})", match[3])))
    return found


def drift(lock: Lock) -> list[str]:
    """Why an image's files are not what ci/constraints.txt and pyproject.toml ask for; a line each, and no network.

    What an extra needs is read from the installed packages, so grokcore must be installed with it.
    """
    wanted = constraints()
    files = {name: locked(lock.folder / f"{name}.txt") for name in ("requirements", "sources", "build-requirements")}
    problems = []
    for name, packages in files.items():
        problems += [f"{name}.txt locks nothing"] if not packages else []
        for package, (version, hashes) in packages.items():
            if version != wanted.get(package, version):
                problems.append(f"{name}.txt has {package} {version}, ci/constraints.txt {wanted[package]}")
            if not hashes:
                problems.append(f"{name}.txt has no hash of {package}")
    runs = {**files["requirements"], **files["sources"]}
    needed = _closure("grokcore", lock.extras, set()) - {"grokcore"} - (set() if lock.cuda else {"torch"})
    problems += [f"requirements.txt lacks {package}" for package in sorted(needed - runs.keys())]
    surplus = sorted(runs.keys() - needed - set(lock.more) - lock.sources.keys())
    problems += [
        f"requirements.txt has {package}, which nothing needs"
        for package in surplus
        if not (lock.cuda and _COMES_WITH_CUDA.match(package))
    ]
    if not lock.cuda and "torch" in runs:
        problems.append("requirements.txt has torch, of which this image takes the CPU build")
    return problems


def needed_packages(extras: tuple[str, ...], *, without: Collection[str] = (), name: str = "grokcore") -> set[str]:
    """Return the normalized names of all that a package with some of its extras needs, by what is installed here.

    Args:
        without: packages that are there already, with all that they need themselves.
    """
    return _closure(name, extras, {(package, ()) for package in without}) - {name}


def _closure(name: str, extras: tuple[str, ...], seen: set[tuple[str, tuple[str, ...]]]) -> set[str]:
    """Normalized names of all that `name` with `extras` needs here, itself included."""
    if (canonicalize_name(name), extras) in seen:
        return set()
    seen.add((canonicalize_name(name), extras))
    found: set[str] = {canonicalize_name(name)}
    for requirement in _requirements(name, extras):
        found |= _closure(requirement.name, tuple(sorted(requirement.extras)), seen)
    return found


def _requirements(name: str, extras: tuple[str, ...]) -> list[Requirement]:
    """Those of grokcore as pyproject.toml has them, those of others as they are installed."""
    if name == "grokcore":
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        optional = project["optional-dependencies"]
        texts = [*project["dependencies"], *(text for extra in extras for text in optional[extra])]
    else:
        texts = metadata.requires(name) or []
    here = cast("dict[str, str]", default_environment())
    environments = [{**here, "extra": extra} for extra in ("", *extras)]
    parsed = [Requirement(text) for text in texts]
    return [one for one in parsed if one.marker is None or any(one.marker.evaluate(env) for env in environments)]


def write(lock: Lock) -> None:
    """Resolve and write an image's files; the versions that they have and that still fit stay.

    Raises:
        InputError: uv is missing, or says that there is no such set of packages.
    """
    folder = lock.folder
    pinned = {name: version or constraints()[name] for name, version in lock.sources.items()}
    extras = [argument for extra in lock.extras for argument in ("--extra", extra)]
    runs = _resolve(["pyproject.toml", *extras], lock.more, folder / "requirements.txt", without=(*pinned, "grokcore"))
    if not lock.cuda:
        runs = {name: text for name, text in runs.items() if name != "torch" and not _COMES_WITH_CUDA.match(name)}
    _write(folder / "requirements.txt", runs)
    pins = tuple(f"{name}=={version}" for name, version in pinned.items())
    _write(folder / "sources.txt", _resolve(["--no-deps"], pins, folder / "sources.txt"))
    build = folder / "build-requirements.txt"
    also = ["--constraint", str(folder / "requirements.txt")] if lock.cuda else []
    _write(build, _resolve(also, lock.builders, build))


def _resolve(
    arguments: list[str], requirements: tuple[str, ...], previous: Path, without: tuple[str, ...] = ()
) -> dict[str, str]:
    """The lines of each package that uv finds, by name; versions of the file `previous` are preferred."""
    with tempfile.TemporaryDirectory() as scratch:
        out, more = Path(scratch) / "out.txt", Path(scratch) / "in.txt"
        out.write_text(previous.read_text("utf-8") if previous.is_file() else "", "utf-8")
        more.write_text("\n".join(requirements) + "\n", "utf-8")
        command = [
            *("uv", "pip", "compile", "--quiet", "--python-version", PYTHON, "--python-platform", PLATFORM),
            *("--generate-hashes", "--no-annotate", "--no-header", "--no-emit-index-url"),
            *("--constraint", str(CONSTRAINTS), "--output-file", str(out)),
            *(option for name in without for option in ("--no-emit-package", name)),
            *arguments,
            str(more),
        ]
        try:
            done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, env=_environment())
        except FileNotFoundError:
            raise InputError("locking requirements needs uv: pip install uv") from None
        if done.returncode:
            raise InputError(f"uv finds no set of packages: {done.stderr.strip()}")
        texts = re.finditer(r"^([A-Za-z0-9._-]+)==.*(?:\n[ \t]+.*)*", out.read_text("utf-8"), re.MULTILINE)
        return {canonicalize_name(text[1]): text[0] for text in texts}


def _environment() -> dict[str, str]:
    """uv's own settings; certificates as the system has them."""
    return {**os.environ, "UV_SYSTEM_CERTS": "1", "UV_PYTHON": sys.executable}


def _write(path: Path, packages: dict[str, str]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(HEADER + "".join(f"{text}\n" for _, text in sorted(packages.items())), "utf-8")
