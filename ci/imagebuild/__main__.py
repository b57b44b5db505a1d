"""Build the images that components run in; push them; write down their digests. See images/README.md.

With nothing but --image, builds from the public bases and pip's own index. PIP_INDEX_URL, PIP_EXTRA_INDEX_URL,
PIP_FIND_LINKS and PIP_CERT count like the options of the same meaning. What follows `--` goes to the engine's build.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from ci.imagebuild.build import Sources, build, pin_bases
from ci.imagebuild.engines import ENGINES, Engine, find_engine
from ci.imagebuild.images import IMAGES, ROOT, Image, images
from ci.imagebuild.lockfile import write_lock
from grokcore.errors import GrokcoreError, InputError

DEFAULT_REGISTRY = "ghcr.io/grokcore"


def parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ci/build-images", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image", action="append", choices=IMAGES, help="only this one; may be repeated")
    parser.add_argument("--engine", choices=ENGINES, default="", help="default: the first of these that works")
    parser.add_argument("--registry", default=os.environ.get("GROKCORE_REGISTRY", DEFAULT_REGISTRY))
    parser.add_argument("--tag", default="", help="default: the version of grokcore")
    parser.add_argument("--push", action="store_true", help="push what was built")
    parser.add_argument("--lock", type=Path, metavar="FILE", help="after the push, write the digests into this file")
    closed = parser.add_argument_group("closed networks")
    closed.add_argument("--base", default="", metavar="IMAGE", help="Python, to run on; IMAGE@sha256:... pins it")
    closed.add_argument("--builder", default="", metavar="IMAGE", help="the same Python, with a C++ compiler and pip")
    closed.add_argument("--index", default="", metavar="URL", help="package index; is not kept in the image")
    closed.add_argument("--extra-index", action="append", default=[], metavar="URL")
    closed.add_argument(
        "--find-links", default="", metavar="DIR", help="directory of wheels, such as torch's CPU build"
    )
    closed.add_argument("--ca", default="", metavar="FILE", help="certificates that pip trusts, PEM")
    closed.add_argument("--torch", default="", metavar="VERSION", help="of the CPU image, when its build is not +cpu")
    closed.add_argument("--torch-sha256", default="", metavar="HASH", help="of the CPU image's wheel of torch")
    other = parser.add_mutually_exclusive_group()
    other.add_argument("--check", action="store_true", help="build the CPU image and run components and smoke in it")
    other.add_argument("--lock-requirements", action="store_true", help="lock packages anew from ci/constraints.txt")
    return parser


def main(argv: list[str]) -> int:
    own, more = (argv[: argv.index("--")], argv[argv.index("--") + 1 :]) if "--" in argv else (argv, [])
    options = parser().parse_args(own)
    try:
        if options.lock_requirements:
            return lock_requirements()
        if options.lock and not options.push:
            raise InputError("--lock needs --push: an image has no digest before a registry has it")
        names = ("runtime",) if options.check else tuple(options.image or IMAGES)
        wanted = images(names, registry=options.registry, tag=options.tag)
        return build_all(options, wanted, tuple(more))
    except GrokcoreError as error:
        print(f"ci/build-images: {error}", file=sys.stderr)
        return error.exit_code


def build_all(options: argparse.Namespace, wanted: list[Image], more: tuple[str, ...]) -> int:
    engine = find_engine(options.engine or ("podman" if options.check else ""))
    if options.check and engine.name == "docker":
        raise InputError("--check runs what it has built by podman: give --engine podman")
    sources = _sources(options)
    for image in wanted:
        used = pin_bases(engine, image, sources) if options.push else sources
        seconds = build(engine, image, used, more)
        size = engine.size(image.reference) / 1e9
        print(f"{image.reference}: built by {engine.name} in {seconds:.0f} s, {size:.2f} GB", flush=True)
    if options.check:
        return check(wanted[0])
    if options.push:
        push_all(engine, wanted, options.lock)
    return 0


def push_all(engine: Engine, wanted: list[Image], lock: Path | None) -> None:
    """Push images, print what a registry knows them by, and write it into a lock file."""
    references = {image.name: f"{image.repository}@{engine.push(image.reference)}" for image in wanted}
    print("\n".join(references.values()))
    if lock:
        write_lock(lock, references)
        print(f"next: grokcore pipeline compile --images {lock}")


def check(image: Image) -> int:
    """Run the tests of images on this one; a tool that is missing fails them, instead of skipping them."""
    environment = {**os.environ, "GROKCORE_TESTED_IMAGE": image.reference}
    command = [sys.executable, "-m", "pytest", "-q", "--numprocesses", "0", "tests/images"]
    code = subprocess.run(command, cwd=ROOT, env=environment, check=False).returncode
    print("the trainer's image was linted, not built: compiling for CUDA takes hours, running it a GPU")
    return code


def lock_requirements() -> int:
    from ci.imagebuild import requirements

    for lock in requirements.LOCKS:
        requirements.write(lock)
        problems = requirements.drift(lock)
        print("\n".join([f"images/{lock.image}: locked", *problems]))
        if problems:
            return 1
    return 0


def _sources(options: argparse.Namespace) -> Sources:
    given = {
        "base": options.base,
        "builder": options.builder,
        "index": options.index,
        "extra_indexes": tuple(options.extra_index),
        "find_links": options.find_links,
        "ca": options.ca,
        "torch": options.torch,
        "torch_sha256": options.torch_sha256,
    }
    return replace(Sources.of_environment(os.environ), **{name: value for name, value in given.items() if value})


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
