"""The hash-locked requirements, held against ci/constraints.txt and pyproject.toml; no network."""

from __future__ import annotations

import re
import tomllib
from dataclasses import replace
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from ci.imagebuild import requirements
from ci.imagebuild.requirements import LOCKS, Lock, drift, locked

each_lock = pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.image)


@each_lock
def test_they_are_what_everything_is_tested_with(lock: Lock) -> None:
    assert drift(lock) == [], "run ci/build-images --lock-requirements"


@each_lock
def test_they_name_no_registry(lock: Lock) -> None:
    files = sorted(lock.folder.glob("*.txt"))
    assert [file.name for file in files] == ["build-requirements.txt", "requirements.txt", "sources.txt"]
    for file in files:
        assert not re.search(r"://|--(extra-)?index|--find-links|--trusted", file.read_text("utf-8")), file


def test_the_cpu_image_has_nothing_of_cuda_and_the_other_has_its_torch() -> None:
    runtime, trainer = (locked(lock.folder / "requirements.txt") for lock in LOCKS)
    assert not [name for name in runtime if name.startswith(("nvidia", "cuda", "torch", "triton"))]
    assert trainer["torch"][0] == requirements.torch_version()
    assert {"nvidia-cudnn-cu13", "triton"} <= trainer.keys()


def test_the_image_for_gpus_has_every_package_of_the_extra_for_gpus() -> None:
    _, trainer = LOCKS
    extra = tomllib.loads((requirements.ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"][
        "cuda"
    ]
    wanted = {canonicalize_name(Requirement(text).name) for text in extra} - {"grokcore"}
    there = locked(trainer.folder / "requirements.txt").keys() | locked(trainer.folder / "sources.txt").keys()
    assert len(wanted) >= 3
    assert wanted <= there


def test_nvcc_is_of_the_cuda_that_torch_was_built_with() -> None:
    _, lock = LOCKS
    run, build = (locked(lock.folder / name) for name in ("requirements.txt", "build-requirements.txt"))
    for name in ("cuda-toolkit", "nvidia-cuda-runtime", "setuptools", "ninja"):
        assert run[name][0] == build[name][0], name
    assert build["nvidia-cuda-nvcc"][0].split(".")[:2] == run["nvidia-cuda-runtime"][0].split(".")[:2]


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda text: text.replace("pyarrow==", "pyarrow==9"), "has pyarrow 9"),
        (lambda text: re.sub(r"(?m)^pyarrow==.*\n(?: .*\n)+", "", text), "lacks pyarrow"),
        (lambda text: re.sub(r"(?m)^(pyarrow==\S+).*\n(?: .*\n)+", r"\1\n", text), "no hash of pyarrow"),
        (lambda text: text + f"left-pad==1.0 --hash=sha256:{'0' * 64}\n", "left-pad, which nothing needs"),
        (lambda text: "", "locks nothing"),
    ],
    ids=["version", "missing", "hash", "surplus", "empty"],
)
def test_drift_is_seen(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change, problem: str) -> None:
    lock = replace(LOCKS[0])
    for file in lock.folder.glob("*.txt"):
        text = file.read_text("utf-8")
        (tmp_path / file.name).write_text(change(text) if file.name == "requirements.txt" else text, "utf-8")
    monkeypatch.setattr(Lock, "folder", property(lambda self: tmp_path))

    assert any(problem in line for line in drift(lock)), drift(lock)


def test_a_line_that_pins_nothing_is_refused(tmp_path: Path) -> None:
    (tmp_path / "requirements.txt").write_text("pyarrow>=3\n", "utf-8")
    with pytest.raises(ValueError, match="pyarrow>=3"):
        locked(tmp_path / "requirements.txt")
