"""Write the tables of README and docs/ that list what a registry holds: `ci/compile [--check]` runs it."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from ci import accelerators, architectures, findings, headlines, realfacts, speedups, tasks, transfer
from ci.inside import comparison, composition

ROOT = Path(__file__).parents[1]

SECTIONS: Mapping[str, Mapping[str, Callable[[], str]]] = {
    "README.md": {"tasks": tasks.summary, "architectures": architectures.summary},
    "FINDINGS.md": {
        "verdicts": findings.verdicts,
        "levers": findings.levers,
        "early warning": findings.warnings,
        "found": findings.found,
        "studies": findings.studies,
    },
    "docs/tasks.md": {"tasks": tasks.summary_in_docs, "task fields": tasks.fields},
    "docs/acceleration.md": {
        "accelerators": accelerators.methods,
        "what is known": accelerators.known,
        "speedups": speedups.speedups,
        "headlines": headlines.headlines,
    },
    "docs/interpretation.md": {
        "composition inside": composition.markdown,
        "comparison inside": comparison.markdown,
    },
    "docs/transfer.md": {"transfer": transfer.transfer},
    "examples/real/README.md": {"real facts": realfacts.real_facts},
    "docs/architectures.md": {"architectures": architectures.sizes, "deviations": architectures.deviations},
}
"""The generated sections of each page; a section stands between `markers` of its name."""


def markers(section: str) -> tuple[str, str]:
    """Return the lines before and after a generated section."""
    return f"<!-- {section}: written by ci/compile from the registry -->\n", f"<!-- end of {section} -->\n"


def with_sections(page: str, name: str) -> str:
    """Return the text of page `name` with its generated sections written anew.

    Raises:
        LookupError: a marker does not occur exactly once, or a registry is empty.
    """
    for section, write in SECTIONS[name].items():
        begin, end = markers(section)
        if page.count(begin) != 1 or page.count(end) != 1 or page.index(begin) > page.index(end):
            raise LookupError(f"{name} needs the lines {begin.strip()} and {end.strip()} once, in this order")
        before, rest = page.split(begin)
        page = f"{before}{begin}{write()}{end}{rest.split(end)[1]}"
    return page


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
            print(f"{name}: drifted from its registry: run ci/compile", file=sys.stderr)
            status = 1
    return status


if __name__ == "__main__":
    sys.exit(main())
