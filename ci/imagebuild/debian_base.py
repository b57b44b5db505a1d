"""Base images out of this Debian machine's own packages, for machines that can pull from no registry.

`python -m ci.imagebuild.debian_base NAME` makes a small one with Python, `--builder` one with compilers as well. They
stand in for the bases that the Containerfiles name where those cannot be had, for tests above all: what the packages
of this machine are is what they are.
"""

from __future__ import annotations

import argparse
import io
import os
import stat
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO

from grokcore.errors import InputError

PYTHON = ("python3", "libstdc++6", "ca-certificates", "bash", "dash", "coreutils", "grep", "sed", "login", "base-files")
BUILDER = (*PYTHON, "python3-pip", "python3-venv", "python3-dev", "gcc", "g++", "libc6-dev", "findutils", "tar", "gzip")
_LEFT_OUT = ("usr/share/doc/", "usr/share/man/", "usr/share/info/", "usr/share/locale/", "usr/share/lintian/")
_FOLDERS = ("tmp", "root", "home", "proc", "sys", "dev", "run", "var/tmp", "usr/local/bin", "usr/local/lib")
_TEXTS = {
    "etc/passwd": "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/nonexistent:/usr/sbin/nologin\n",
    "etc/group": "root:x:0:\nnogroup:x:65534:\n",
}
_MADE_LATER = ("usr/bin/python3*", "usr/bin/pip3", "usr/bin/cc", "usr/bin/c++", "etc/alternatives/*", "etc/ld.so.c*")
"""Files created during installation, which no package lists."""


def make_base(name: str, *, builder: bool, podman: str = "podman") -> None:
    """Import an image `name` into podman's storage.

    Raises:
        InputError: this is not Debian, its packages are not there, or podman refuses.
    """
    files = sorted(set(_files(BUILDER if builder else PYTHON)))
    command = [podman, "import", "--change", "ENV=PATH=/usr/local/bin:/usr/bin:/bin", "--change", "CMD=python3"]
    try:
        with subprocess.Popen([*command, "-", name], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL) as podman_import:
            assert podman_import.stdin is not None  # noqa: S101 - stdin=PIPE makes it
            _write(podman_import.stdin, files)
    except OSError as error:
        raise InputError(f"the image {name} cannot be made: {error}") from None
    if podman_import.returncode:
        raise InputError(f"podman import of {name} ended with {podman_import.returncode}")


def _files(packages: tuple[str, ...]) -> Iterator[str]:
    """Paths, without the leading slash, of all that the packages and what they depend on have installed."""
    yield from ("usr/sbin/ldconfig", "etc/ssl/certs/ca-certificates.crt")
    for pattern in _MADE_LATER:
        yield from (str(path.relative_to("/")) for path in Path("/").glob(pattern))
    for path in _output("dpkg", "--listfiles", *_with_dependencies(packages)).splitlines():
        if path.startswith("/") and not path[1:].startswith(_LEFT_OUT):
            yield _merged(path[1:])


def _with_dependencies(packages: tuple[str, ...]) -> list[str]:
    lines = _output(
        *("apt-cache", "depends", "--recurse", "--installed", "--no-recommends", "--no-suggests", "--no-conflicts"),
        *("--no-breaks", "--no-replaces", "--no-enhances", *packages),
    ).splitlines()
    candidates = {line for line in lines if line and line[0].isalnum()} | set(packages)
    installed = _output("dpkg-query", "--show", "--showformat", "${binary:Package} ${db:Status-Status}\n").splitlines()
    names = {name.partition(":")[0] for name, status in (line.split() for line in installed) if status == "installed"}
    missing = sorted(set(packages) - names)
    if missing:
        raise InputError(f"a base image needs packages that are not installed: apt-get install {' '.join(missing)}")
    return sorted(candidate for candidate in candidates if candidate.partition(":")[0] in names)


def _merged(path: str) -> str:
    """Resolve a path through the links from /bin, /lib etc. into /usr."""
    first = path.partition("/")[0]
    return f"usr/{path}" if first in ("bin", "sbin", "lib", "lib64") else path


def _write(stream: IO[bytes], files: list[str]) -> None:
    """Write a file system as a tar archive."""
    with tarfile.open(fileobj=stream, mode="w|") as archive:
        for link in ("bin", "sbin", "lib", "lib64"):
            archive.addfile(_entry(link, tarfile.SYMTYPE, target=f"usr/{link}"))
        for folder in _FOLDERS:
            archive.addfile(_entry(folder, tarfile.DIRTYPE, mode=0o1777 if folder.endswith("tmp") else 0o755))
        for path in files:
            real = Path("/", path)
            if path in _TEXTS or path.endswith("EXTERNALLY-MANAGED") or not (real.is_symlink() or real.is_file()):
                continue
            if not stat.S_ISDIR(os.lstat(real).st_mode):
                archive.add(real, arcname=path, recursive=False, filter=_plain)
        for path, text in _TEXTS.items():
            entry = _entry(path, tarfile.REGTYPE, mode=0o644)
            entry.size = len(text)
            archive.addfile(entry, io.BytesIO(text.encode()))


def _entry(name: str, kind: bytes, *, mode: int = 0o777, target: str = "") -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode, entry.linkname = kind, mode, target
    return entry


def _plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    entry.uid = entry.gid = 0
    entry.uname = entry.gname = "root"
    return entry


def _output(*command: str) -> str:
    try:
        return subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except FileNotFoundError:
        raise InputError(f"a base image is made of Debian's packages, and there is no {command[0]} here") from None
    except subprocess.CalledProcessError as error:
        raise InputError(f"{command[0]} failed: {error.stderr.strip()}") from None


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m ci.imagebuild.debian_base", description=__doc__)
    parser.add_argument("name", help="what to call the image, as in localhost/python-base:3.11")
    parser.add_argument("--builder", action="store_true", help="with compilers, pip and venv")
    arguments = parser.parse_args()
    try:
        make_base(arguments.name, builder=arguments.builder)
    except InputError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
