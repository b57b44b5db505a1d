"""Compile components and pipelines into the files that are checked in beside them: `ci/compile [--check]`."""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from kfp import compiler

from ci.readme import render
from grokcore.kfp import PURE

ROOT = Path(__file__).parents[1]
COMPILED = {"components": "component", "pipelines": "pipeline"}
"""Folder, and the name of the module and of the compiled file in each of its targets."""


@dataclass(frozen=True)
class Target:
    """One component or pipeline: a folder with a module that defines it under the folder's own name."""

    folder: Path
    module: str

    @property
    def compiled(self) -> Path:
        return self.folder / f"{self.module}.yaml"

    @property
    def name(self) -> str:
        return self.folder.name

    def load(self) -> Any:
        path = self.folder.relative_to(ROOT) / self.module
        return getattr(importlib.import_module(".".join(path.parts)), self.name)


def targets() -> list[Target]:
    """Every component and pipeline of the tree.

    Raises:
        LookupError: there is none, so the search is broken and a check of nothing would pass.
    """
    found = [
        Target(source.parent, module)
        for root, module in COMPILED.items()
        for source in sorted((ROOT / root).glob(f"*/*/{module}.py"))
    ]
    for module in COMPILED.values():
        if not any(target.module == module for target in found):
            raise LookupError(f"found no {module}.py under {ROOT}: there is nothing to check")
    return found


def build(target: Target) -> dict[Path, bytes]:
    """The files that a target should have, by path."""
    definition = target.load()
    with tempfile.TemporaryDirectory() as directory:
        package = Path(directory) / target.compiled.name
        compiler.Compiler().compile(definition, str(package))
        compiled = package.read_text("utf-8")
    if target.module == "component" and target.name not in PURE:
        compiled = _uncached(compiled)
    readme = render(definition, target.folder.relative_to(ROOT), target.compiled.name)
    return {target.compiled: compiled.encode(), target.folder / "README.md": readme.encode()}


_CACHED, _UNCACHED = "        cachingOptions:\n          enableCache: true\n", "        cachingOptions: {}\n"


def _uncached(compiled: str) -> str:
    """Turn off the caching of a component's task, which the compiler offers for tasks of pipelines only."""
    before, _, after = compiled.partition(_CACHED)
    if not after or _CACHED in after:
        raise ValueError("the compiler writes caching differently: a component's task is not marked as never cached")
    return f"{before}{_UNCACHED}{after}"


def drift(found: list[Target]) -> list[Path]:
    """The checked-in files that are absent or not what their source gives."""
    return [
        path
        for target in found
        for path, content in build(target).items()
        if not path.is_file() or path.read_bytes() != content
    ]


def main() -> int:
    parser = argparse.ArgumentParser(prog="ci/compile", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a file has drifted")
    arguments = parser.parse_args()
    try:
        found = targets()
    except LookupError as error:
        print(error, file=sys.stderr)
        return 1
    if arguments.check:
        drifted = drift(found)
        for path in drifted:
            print(f"{path.relative_to(ROOT)} has drifted from its source: run ci/compile", file=sys.stderr)
        print(f"checked {len(found)} packages, {len(drifted)} files have drifted")
        return 1 if drifted else 0
    for target in found:
        for path, content in build(target).items():
            path.write_bytes(content)
            print(path.relative_to(ROOT))
    return 0


if __name__ == "__main__":
    sys.exit(main())
