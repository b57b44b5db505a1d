"""README's table of architectures, made from the registry: `ci/compile [--check]` runs it."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from grokcore.models.catalogue import Entry, catalogue

README = Path(__file__).parents[1] / "README.md"
BEGIN, END = "<!-- architectures: written by ci/compile from the registry -->\n", "<!-- end of architectures -->\n"
_HEADER = (
    "`model.architecture`",
    "name",
    "token mixer",
    "parameters a block",
    "state a block",
    "paper",
    "files load into",
)


def table() -> str:
    """The table in Markdown; sizes at each architecture's defaults, width 128.

    Raises:
        LookupError: the registry is empty.
    """
    rows = [_row(entry) for entry in catalogue()]
    if not rows:
        raise LookupError("the registry has no architecture: there is nothing to write")
    return "".join(f"| {' | '.join(cells)} |\n" for cells in (_HEADER, ("---",) * len(_HEADER), *rows))


def deviations() -> str:
    """Where architectures depart from their papers, as a list in Markdown that is folded up."""
    lines = [f"- `{entry.architecture}`: {' '.join(entry.deviations)}\n" for entry in catalogue() if entry.deviations]
    summary = "Deviations from the papers and their authors' code"
    return f"\n<details><summary>{summary}</summary>\n\n{''.join(lines)}\n</details>\n"


def _row(entry: Entry) -> tuple[str, ...]:
    kind, _, number = entry.source.partition(" ")
    paper = f"[{number}](https://arxiv.org/abs/{number})" if kind == "arXiv" else entry.source
    return (
        f"`{entry.architecture}`",
        entry.title,
        entry.token_mixer,
        f"{entry.parameters_per_block:,}",
        f"{entry.state:,}{' a token' if entry.state_per_token else ''}",
        paper,
        "grokcore" if entry.transformers_class is None else f"`{entry.transformers_class}`",
    )


def with_table(readme: str) -> str:
    """README with the table between its two marks.

    Raises:
        LookupError: a mark is not there once.
    """
    if readme.count(BEGIN) != 1 or readme.count(END) != 1 or readme.index(BEGIN) > readme.index(END):
        raise LookupError(f"README.md needs the lines {BEGIN.strip()} and {END.strip()} once, in this order")
    before, rest = readme.split(BEGIN)
    return f"{before}{BEGIN}{table()}{deviations()}{END}{rest.split(END)[1]}"


def main() -> int:
    parser = argparse.ArgumentParser(prog="ci/compile", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if the table has drifted")
    arguments = parser.parse_args()
    readme = README.read_text("utf-8")
    try:
        wanted = with_table(readme)
    except LookupError as error:
        print(error, file=sys.stderr)
        return 1
    if not arguments.check:
        README.write_text(wanted, "utf-8")
    elif readme != wanted:
        print("README.md: the table of architectures has drifted from the registry: run ci/compile", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
