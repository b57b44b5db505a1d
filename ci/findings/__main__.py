"""Pack the sweeps of a store that have run to their end, and judge all that is packed.

    python -m ci.findings [STORE]

The archives lie in ci/benchmarks/results/laboratory. They are judged as `grokcore claims` does with these files;
claims.json, summary.json and the drawings are written beside them, and the tables printed.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from ci.findings import pages
from ci.findings.judging import FINDINGS, judge, keep, write


def main(arguments: Sequence[str] | None = None, folder: Path = FINDINGS) -> None:
    parser = argparse.ArgumentParser(prog="python -m ci.findings", description=__doc__.partition("\n")[0])
    parser.add_argument("store", nargs="?", type=Path, metavar="STORE", help="of sweeps, to pack first")
    options = parser.parse_args(arguments)
    try:
        if options.store is not None:
            print(*keep(options.store, folder), sep="\n")
        claims, summary = judge(folder)
    except LookupError as error:
        parser.error(str(error))
    write(claims, summary, folder)
    print(f"{claims.runs} runs of {len(summary.studies)} studies judged: {folder}")
    for section in (pages.verdicts, pages.found, pages.levers, pages.warnings, pages.studies):
        print(section(folder))


if __name__ == "__main__":
    main()
