"""`ci/build-images`: what it asks of an engine, what it refuses, and what it writes down after a push."""

from __future__ import annotations

import io
import os
import shutil
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ci.imagebuild.__main__ import main, push_all
from ci.imagebuild.build import Sources, build_arguments, pin_bases
from ci.imagebuild.engines import Engine
from ci.imagebuild.images import Image, images
from ci.imagebuild.lockfile import write_lock
from grokcore import __version__
from grokcore.errors import InputError, TransientError
from tests.servers.podman import Podman, podman_environment
from tests.servers.registry import Registry

ROOT = Path(__file__).parents[2]
RUNTIME = Image("runtime", "registry.example/team", "1.2.3")
DIGEST = f"sha256:{'0123456789abcdef' * 4}"


def arguments(sources: Sources, image: Image = RUNTIME, *more: str) -> list[str]:
    with build_arguments(image, sources, more) as found:
        return found


def test_without_options_the_containerfile_decides() -> None:
    found = " ".join(arguments(Sources()))

    assert f"--file {ROOT}/images/runtime/Containerfile --tag registry.example/team/grokcore-runtime:1.2.3" in found
    assert f"--build-arg VERSION={__version__}" in found
    assert "--build-arg REVISION=" in found
    assert "BASE=" not in found
    assert "TORCH" not in found
    assert "--build-context" not in found


def test_a_closed_network_replaces_bases_index_and_torch(tmp_path: Path) -> None:
    ca = tmp_path / "ca.pem"
    ca.touch()
    sources = Sources(base="b@x", builder="c", find_links=str(tmp_path), ca=str(ca), torch="2.0+x", torch_sha256=DIGEST)
    found = " ".join(arguments(sources, RUNTIME, "--network", "host"))

    assert "--build-arg BASE=b@x --build-arg BUILDER=c --build-arg TORCH=2.0+x" in found
    assert "--label org.opencontainers.image.base.name=b --label org.opencontainers.image.base.digest=x" in found
    assert f"--build-arg TORCH_SHA256={DIGEST.removeprefix('sha256:')} " in found
    assert f"--secret id=ca,src={ca} --build-context wheels={tmp_path} --network host" in found
    assert "TORCH" not in " ".join(arguments(sources, Image("trainer", "r", "1")))  # its torch is locked by hash


def test_what_an_index_is_asked_with_is_a_secret_file_and_no_argument() -> None:
    sources = Sources(index="https://me:hidden@index.example/simple", extra_indexes=("https://two.example",))
    with build_arguments(RUNTIME, sources) as found:
        (secret,) = [one for one in found if one.startswith("id=pip")]
        file = Path(secret.partition("src=")[2])
        text = file.read_text("utf-8")
        assert file.stat().st_mode & 0o077 == 0
    assert "index-url = https://me:hidden@index.example/simple\nextra-index-url = https://two.example\n" in text
    assert not file.exists()
    assert "hidden" not in " ".join(found)


def test_pip_reads_the_settings_as_they_are_meant(tmp_path: Path) -> None:
    sources = Sources(index="https://a.example/%7Esimple", extra_indexes=("https://b.example", "https://c.example"))
    file = tmp_path / "pip.conf"
    file.write_text(sources.pip_settings(), "utf-8")
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}

    listed = subprocess.run(
        [sys.executable, "-m", "pip", "config", "list"],
        env={**environment, "PIP_CONFIG_FILE": str(file)},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    assert "global.index-url='https://a.example/%7Esimple'" in listed
    assert "global.extra-index-url='https://b.example\\nhttps://c.example'" in listed


def test_pips_own_variables_count(tmp_path: Path) -> None:
    environment = {"PIP_INDEX_URL": "https://a.example", "PIP_EXTRA_INDEX_URL": "x y", "PIP_FIND_LINKS": str(tmp_path)}
    assert Sources.of_environment(environment) == Sources(
        index="https://a.example", extra_indexes=("x", "y"), find_links=str(tmp_path)
    )


@pytest.mark.extended
@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--lock", "images/lock.yaml"], "--lock needs --push"),
        (["--tag", "latest"], "the tag latest moves"),
        (["--ca", "no-such-file"], "no-such-file is not a file"),
        (["--find-links", "no-such-place"], "neither a directory of wheels nor a URL"),
    ],
)
def test_what_cannot_be_is_refused_in_a_line(options: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main([*options, "--engine", working_engine()]) == 2
    assert said in capsys.readouterr().err


@pytest.mark.extended
def test_a_build_that_fails_says_where_torch_may_come_from(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capfd
) -> None:
    """With a base that is not there, so that nothing is pulled or built."""
    for name in ("PIP_INDEX_URL", "PIP_EXTRA_INDEX_URL", "PIP_FIND_LINKS", "PIP_CERT"):
        monkeypatch.delenv(name, raising=False)
    missing = ["--base", "localhost/no-such-base:1", "--builder", "localhost/no-such-base:1", "--tag", "never"]
    options = ["--engine", working_engine(), "--image", "runtime", *missing, "--", "--pull-never"]

    assert main(options) == 1
    said = capfd.readouterr().err.splitlines()[-1]
    assert said.startswith("ci/build-images: podman build failed with ")
    assert said.endswith("torch's CPU build may need --extra-index URL or --find-links DIR")
    assert main(["--check", "--engine", "docker"]) == 2


def test_an_engine_that_is_not_there_is_named(capsys: pytest.CaptureFixture[str], monkeypatch, tmp_path: Path) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    for options, said in ((["--engine", "docker"], "docker does not work here"), ([], "no docker (with its daemon)")):
        assert main(options) == 2
        assert said in capsys.readouterr().err


def test_images_are_named_as_the_components_name_them() -> None:
    from components.images import REGISTRY, RUNTIME, TRAINER

    assert [one.reference for one in images(("runtime", "trainer"), registry=REGISTRY)] == [RUNTIME, TRAINER]


def test_a_lock_keeps_the_image_that_was_not_pushed(tmp_path: Path) -> None:
    file = tmp_path / "new" / "lock.yaml"
    write_lock(file, {"runtime": f"r/a@{DIGEST}", "trainer": f"r/b@{DIGEST}"})
    write_lock(file, {"runtime": f"r/c@{DIGEST}"})

    assert yaml.safe_load(file.read_text("utf-8")) == {"runtime": f"r/c@{DIGEST}", "trainer": f"r/b@{DIGEST}"}
    file.write_text("- a list\n", "utf-8")
    with pytest.raises(InputError, match="is not a lock file of images"):
        write_lock(file, {"runtime": f"r/c@{DIGEST}"})


def working_engine() -> str:
    if reason := Podman.obstacle():
        pytest.skip(reason)
    return "podman"


@pytest.fixture(scope="module")
def registry(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Registry]:
    with Registry(tmp_path_factory.mktemp("registry")).running() as server:
        yield server


@pytest.fixture
def environment(registry: Registry, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in podman_environment().items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("CONTAINERS_REGISTRIES_CONF", str(registry.settings))


@pytest.fixture
def small_image(registry: Registry, environment: None, tmp_path: Path) -> Iterator[Image]:
    """An image of one file, in the storage that podman and buildah share."""
    working_engine()
    image = Image("runtime", registry.address, "1.2.3")
    with tarfile.open(tmp_path / "image.tar", "w") as archive:
        entry = tarfile.TarInfo("file")
        entry.size = 4
        archive.addfile(entry, io.BytesIO(b"data"))
    subprocess.run(["podman", "import", "-q", tmp_path / "image.tar", image.reference], check=True, capture_output=True)
    yield image
    subprocess.run(["podman", "rmi", "--force", image.reference], check=True, capture_output=True)


@pytest.mark.containers
@pytest.mark.extended
@pytest.mark.parametrize("engine", ["podman", "buildah"])
def test_a_push_writes_the_digest_that_the_registry_knows(
    engine: str, small_image: Image, registry: Registry, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    if not shutil.which(engine):
        pytest.skip(f"no {engine} here: apt-get install {engine}")
    lock = tmp_path / "lock.yaml"
    push_all(Engine(engine), [small_image], lock)

    expected = f"{registry.address}/grokcore-runtime@{registry.digest('grokcore-runtime', '1.2.3')}"
    assert yaml.safe_load(lock.read_text("utf-8")) == {"runtime": expected}
    assert expected in capfd.readouterr().out
    pulled = subprocess.run(["podman", "pull", "-q", expected], capture_output=True, text=True, check=False)
    assert pulled.returncode == 0, pulled.stderr
    subprocess.run(["podman", "rmi", "--force", expected], check=True, capture_output=True)


@pytest.mark.containers
@pytest.mark.extended
@pytest.mark.parametrize("engine", ["podman", "buildah"])
def test_what_is_pushed_is_built_from_bases_by_their_digests(
    engine: str, small_image: Image, registry: Registry, tmp_path: Path
) -> None:
    if not shutil.which(engine):
        pytest.skip(f"no {engine} here: apt-get install {engine}")
    push_all(Engine("podman"), [small_image], None)
    by_digest = f"{registry.address}/grokcore-runtime@{registry.digest('grokcore-runtime', '1.2.3')}"
    subprocess.run(["podman", "rmi", "--force", small_image.reference], check=True, capture_output=True)
    sources = Sources(base=small_image.reference, builder="localhost/python-builder:3.11")
    pinned = pin_bases(Engine(engine), RUNTIME, sources)
    assert (pinned.base, pinned.builder) == (by_digest, sources.builder)
    assert pin_bases(Engine(engine), RUNTIME, pinned) == pinned
    with pytest.raises(TransientError, match=r"could not pull .*: log in"):
        Engine(engine).pinned("127.0.0.1:1/base:1")


@pytest.mark.containers
@pytest.mark.extended
def test_a_push_that_no_registry_takes_may_be_tried_again(small_image: Image, registry: Registry, capfd) -> None:
    gone = Image("runtime", "127.0.0.1:1", "1.2.3")
    subprocess.run(["podman", "tag", small_image.reference, gone.reference], check=True, capture_output=True)
    try:
        with pytest.raises(TransientError, match="could not push"):
            push_all(Engine("podman"), [gone], None)
    finally:
        subprocess.run(["podman", "untag", gone.reference], check=False, capture_output=True)
