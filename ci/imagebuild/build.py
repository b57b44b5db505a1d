"""One image out of its Containerfile, on machines with an open network and with a closed one."""

from __future__ import annotations

import configparser
import re
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from ci.imagebuild.engines import Engine
from ci.imagebuild.images import ROOT, Image, revision
from grokcore import __version__
from grokcore.errors import GrokcoreError, InputError

_CA, _WHEELS = "/run/secrets/ca", "/wheels"
"""Paths of the CA certificates and wheels inside the build."""


@dataclass(frozen=True)
class Sources:
    """Sources of a build; empty strings keep the defaults of the Containerfile and pip.

    Attributes:
        base, builder: images, instead of those that the Containerfile names; for both kinds of Python the same.
        index, extra_indexes: URLs of package indexes.
        find_links: directory of wheels, or URL of a page with links to some.
        ca: file with the certificates that pip trusts.
        torch, torch_sha256: version and hash of torch's CPU build, where it is not the one that the file names.
    """

    base: str = ""
    builder: str = ""
    index: str = ""
    extra_indexes: tuple[str, ...] = ()
    find_links: str = ""
    ca: str = ""
    torch: str = ""
    torch_sha256: str = ""

    @classmethod
    def of_environment(cls, environment: Mapping[str, str]) -> Sources:
        """Read pip's own variables, such as PIP_INDEX_URL."""
        return cls(
            index=environment.get("PIP_INDEX_URL", ""),
            extra_indexes=tuple(environment.get("PIP_EXTRA_INDEX_URL", "").split()),
            find_links=environment.get("PIP_FIND_LINKS", ""),
            ca=environment.get("PIP_CERT", ""),
        )

    def __post_init__(self) -> None:
        if self.ca and not Path(self.ca).is_file():
            raise InputError(f"--ca {self.ca} is not a file: give one with PEM certificates")
        if self.find_links and "://" not in self.find_links and not Path(self.find_links).is_dir():
            raise InputError(f"--find-links {self.find_links} is neither a directory of wheels nor a URL")

    @property
    def wheels(self) -> Path | None:
        """The directory of wheels that is to be mounted."""
        return Path(self.find_links).absolute() if self.find_links and "://" not in self.find_links else None

    def pip_settings(self) -> str:
        """A pip.conf. It may hold passwords, in the URL of an index: a secret of the build, never an argument."""
        settings = {
            "index-url": self.index,
            "extra-index-url": "\n".join(self.extra_indexes),
            "find-links": _WHEELS if self.wheels else self.find_links,
            "cert": _CA if self.ca else "",
        }
        lines = (f"{name} = {value}".replace("\n", "\n  ") for name, value in settings.items() if value)
        text = "[global]\ntimeout = 120\n" + "".join(f"{line}\n" for line in lines)
        configparser.RawConfigParser().read_string(text)
        return text


def pin_bases(engine: Engine, image: Image, sources: Sources) -> Sources:
    """Name both bases by digests, those of the Containerfile where `sources` names none.

    A tag of a base may move between two builds of the same release: what was built says by which digest.
    """
    defaults = dict(re.findall(r"^ARG (BASE|BUILDER)=(\S+)$", image.containerfile.read_text("utf-8"), re.MULTILINE))
    return replace(
        sources,
        base=engine.pinned(sources.base or defaults["BASE"]),
        builder=engine.pinned(sources.builder or defaults["BUILDER"]),
    )


@contextmanager
def build_arguments(image: Image, sources: Sources, more: tuple[str, ...] = ()) -> Iterator[list[str]]:
    """Arguments of an engine's `build`, good while the block runs: they name temporary files."""
    values = {
        "BASE": sources.base,
        "BUILDER": sources.builder,
        "TORCH": sources.torch if image.name == "runtime" else "",
        "TORCH_SHA256": sources.torch_sha256.removeprefix("sha256:") if image.name == "runtime" else "",
        "VERSION": __version__,
        "REVISION": revision(),
    }
    with tempfile.TemporaryDirectory() as scratch:
        settings = Path(scratch) / "pip.conf"
        settings.write_text(sources.pip_settings(), "utf-8")
        settings.chmod(0o600)
        arguments = ["--file", str(image.containerfile), "--tag", image.reference]
        for name, value in values.items():
            arguments += ["--build-arg", f"{name}={value}"] if value else []
        name, _, digest = sources.base.partition("@")
        for key, value in {"name": name, "digest": digest}.items() if digest else ():
            arguments += ["--label", f"org.opencontainers.image.base.{key}={value}"]
        arguments += ["--secret", f"id=pip,src={settings}"]
        arguments += ["--secret", f"id=ca,src={Path(sources.ca).absolute()}"] if sources.ca else []
        arguments += ["--build-context", f"wheels={sources.wheels}"] if sources.wheels else []
        yield [*arguments, *more]


def build(engine: Engine, image: Image, sources: Sources, more: tuple[str, ...] = ()) -> float:
    """Build an image into the engine's storage, and return the seconds that it took."""
    start = time.monotonic()
    with build_arguments(image, sources, more) as arguments:
        try:
            engine.build(arguments, ROOT)
        except GrokcoreError as error:
            if image.name == "runtime" and not (sources.index or sources.extra_indexes or sources.find_links):
                raise GrokcoreError(
                    f"{error}; torch's CPU build may need --extra-index URL or --find-links DIR"
                ) from None
            raise
    return time.monotonic() - start
