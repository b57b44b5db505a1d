"""Generated files of manifests/: `ci/manifests [--check]`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from ci.cluster.gitops import GITOPS, gitops_files
from ci.cluster.images import image_files
from ci.monitoring.generated import monitoring_files
from ci.packages import ROOT


def generated_files() -> dict[Path, str]:
    """Every generated file, by path.

    Raises:
        LookupError: what they are made of is not there.
    """
    return {**monitoring_files(), **gitops_files(), **image_files()}


def drift(wanted: dict[Path, str]) -> tuple[list[Path], list[Path]]:
    """Files that are absent or differ, and those of removed pipelines."""
    differ = [path for path, text in wanted.items() if not path.is_file() or path.read_text("utf-8") != text]
    return differ, sorted(set(GITOPS.glob("*.yaml")) - wanted.keys())


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="ci/manifests", description=__doc__)
    parser.add_argument("--check", action="store_true", help="change nothing; exit with 1 if a file has drifted")
    check = parser.parse_args(arguments).check
    try:
        wanted = generated_files()
    except LookupError as error:
        print(error, file=sys.stderr)
        return 1
    differ, left = drift(wanted)
    for path in differ:
        print(f"{'drifted' if check else 'wrote'} {path.relative_to(ROOT)}", file=sys.stderr)
        if not check:
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(wanted[path], encoding="utf-8")
    for path in left:
        print(f"{'left over' if check else 'removed'} {path.relative_to(ROOT)}", file=sys.stderr)
        if not check:
            path.unlink()
    if check and (differ or left):
        print("run ci/manifests and commit what it writes", file=sys.stderr)
    return int(check and bool(differ or left))


if __name__ == "__main__":
    sys.exit(main())
