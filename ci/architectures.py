"""Write the tables of architectures into README and docs/ from the registry: `ci/compile [--check]` runs it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from pathlib import Path

from grokcore.models.registry import ArchitectureInfo, catalog

ROOT = Path(__file__).parents[1]
README, PAGE = "README.md", "docs/architectures.md"


def summary() -> str:
    """Return README's table: names, token mixers and papers."""
    return _table(("`model.architecture`", "name", "token mixer", "paper"), _names)


def sizes() -> str:
    """Return the full table; sizes are those of each architecture's defaults at width 128."""
    header = (
        "`model.architecture`",
        "name",
        "token mixer",
        "parameters a block",
        "state a block",
        "paper",
        "files load into",
    )
    return _table(header, _row)


def deviations() -> str:
    """List where architectures depart from their papers."""
    return "".join(
        f"- `{entry.architecture}`: {' '.join(entry.deviations)}\n" for entry in catalog() if entry.deviations
    )


SECTIONS = {README: {"architectures": summary}, PAGE: {"architectures": sizes, "deviations": deviations}}
"""The generated sections of each page; a section stands between `markers` of its name."""


def markers(section: str) -> tuple[str, str]:
    """Return the lines before and after a generated section."""
    return f"<!-- {section}: written by ci/compile from the registry -->\n", f"<!-- end of {section} -->\n"


def with_sections(page: str, name: str) -> str:
    """Return the text of page `name` with its generated sections written anew.

    Raises:
        LookupError: a marker does not occur exactly once, or the registry is empty.
    """
    for section, write in SECTIONS[name].items():
        begin, end = markers(section)
        if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
            raise LookupError(f"{name} needs the lines {begin.strip()} and {end.strip()} once, in this order")
        before, rest = page.split(begin)
        page = f"{before}{begin}{write()}{end}{rest.split(end)[1]}"
    return page


def _table(header: tuple[str, ...], row: Callable[[ArchitectureInfo], tuple[str, ...]]) -> str:
    rows = [row(entry) for entry in catalog()]
    if not rows:
        raise LookupError("the registry has no architecture: there is nothing to write")
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (header, ("---",) * len(header), *rows))


def _names(entry: ArchitectureInfo) -> tuple[str, ...]:
    kind, _, number = entry.source.partition(" ")
    paper = f"[{number}](https://arxiv.org/abs/{number})" if kind == "arXiv" else entry.source
    return f"`{entry.architecture}`", entry.title, entry.token_mixer, paper


def _row(entry: ArchitectureInfo) -> tuple[str, ...]:
    *names, paper = _names(entry)
    return (
        *names,
        f"{entry.parameters_per_block:,}",
        f"{entry.state:,}{' a token' if entry.state_per_token else ''}",
        paper,
        "grokcore" if entry.transformers_class is None else f"`{entry.transformers_class}`",
    )


def main() -> int:
    parser = argparse.ArgumentParser(prog="ci/compile", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if a table has drifted")
    arguments = parser.parse_args()
    status = 0
    for name in SECTIONS:
        page = (ROOT / name).read_text("utf-8")
        try:
            wanted = with_sections(page, name)
        except LookupError as error:
            print(error, file=sys.stderr)
            return 1
        if not arguments.check:
            (ROOT / name).write_text(wanted, "utf-8")
        elif page != wanted:
            print(f"{name}: drifted from the registry of architectures: run ci/compile", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
