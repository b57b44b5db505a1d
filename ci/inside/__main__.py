"""Keep the headlines of analyzed runs, for the tables of docs/interpretation.md.

python -m ci.inside composition PLAIN SHARED
python -m ci.inside comparison STORE [STORE...]
"""

from __future__ import annotations

import argparse

from ci.inside import comparison, composition


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m ci.inside", description=__doc__.partition("\n")[0])
    studies = parser.add_subparsers(dest="study", required=True)
    hops = studies.add_parser("composition", help="two hops")
    hops.add_argument("plain", help="place of the runs of plain blocks")
    hops.add_argument("shared", help="place of the runs of shared blocks")
    architectures = studies.add_parser("comparison", help="comparison by architecture")
    architectures.add_argument("stores", nargs="+", help="places of runs")
    arguments = parser.parse_args()
    if arguments.study == "composition":
        composition.keep({"plain": arguments.plain, "shared": arguments.shared})
    else:
        comparison.keep(arguments.stores)


if __name__ == "__main__":
    main()
