"""Everything that needs a GPU, in ten minutes on one that is lent.

ci/gpu --pack wheels                             beforehand: the wheels that a machine without network is brought
ci/gpu --rehearse                                beforehand: the same parts at toy size, on the CPU
ci/gpu --wheels wheels --out gpu --home brought  there; the same command again does what is left
ci/gpu --collect brought                         afterwards: into ci/benchmarks/results and records
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

from ci.gpuchecks import home
from ci.gpuchecks.catalog import PARTS, Part, chosen
from ci.gpuchecks.runner import ROOT, run_parts
from ci.gpuchecks.wheels import WheelsError, install

BAD_INPUT, STOPPED = 2, 143
REHEARSAL_MINUTES = 30.0
"""Ten times what it takes where nothing else runs."""
CLOSING_SECONDS = 15.0
"""Of all the time, kept for what is brought home."""


def main(arguments: Sequence[str] | None = None, parts: Sequence[Part] = PARTS) -> int:
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, _interrupt)
    try:
        if options.list:
            return _list(parts)
        if options.pack is not None:
            return _pack(options)
        if options.collect is not None:
            return _collect(options)
        return _run(options, parts)
    except (LookupError, WheelsError, FileNotFoundError) as error:
        print(f"ci/gpu: {error.args[0] if error.args else error}", file=sys.stderr)
        return BAD_INPUT
    except KeyboardInterrupt:
        print("ci/gpu: stopped; the same command does what is left", file=sys.stderr)
        return STOPPED


def _run(options: argparse.Namespace, parts: Sequence[Part]) -> int:
    """Run the parts; 1 if one of them failed, was killed or found a problem."""
    begun = time.monotonic()
    wanted = chosen(options.only, parts)
    out = (options.out or _default_out(options.rehearse)).absolute()
    if options.resume is not None and not out.exists():
        home.unpack(options.resume, out)
    environment = dict(os.environ)
    if options.wheels is not None:
        print(f"installing the wheels of {options.wheels}", flush=True)
        environment = install(options.wheels, out / "site")
    paths = [environment.get("PYTHONPATH"), str(ROOT)]
    environment["PYTHONPATH"] = os.pathsep.join(filter(None, paths))
    minutes = options.minutes or (REHEARSAL_MINUTES if options.rehearse else 10)

    def bring_home() -> None:
        if options.home is not None:
            for what, why in home.bring_home(out, options.home).items():
                print(f"  stays behind: {what}: {why}", flush=True)

    found = run_parts(
        wanted,
        out,
        deadline=begun + 60 * minutes - CLOSING_SECONDS,
        rehearse=options.rehearse,
        environment=environment,
        after_each=bring_home,
    )
    print(f"{len(found)} of {len(wanted)} parts in {time.monotonic() - begun:.0f} s; results in {out}")
    bad = [one for one in found if one.document["state"] in ("failed", "overrun") or one.document["problems"]]
    return 1 if bad else 0


def _default_out(rehearse: bool) -> Path:
    """Return a place that git ignores; that of a rehearsal is new each time."""
    if rehearse:
        return Path(tempfile.mkdtemp(prefix="grokcore-gpu-"))
    return ROOT / "test-artifacts" / "gpu"


def _list(parts: Sequence[Part]) -> int:
    width = max(len(part.name) for part in parts)
    for part in parts:
        budget = "the rest" if part.seconds is None else f"{part.seconds:.0f} s"
        print(f"{part.name:<{width}}  {budget:>8}  {part.question}")
    return 0


def _pack(options: argparse.Namespace) -> int:
    from ci.gpuchecks.pack import make_pack

    there = [name for names in options.there for name in names.split(",") if name]
    left_out = make_pack(options.pack, python=options.python, limit_mib=options.limit_mib, there=there)
    wheels = list(options.pack.glob("*.whl"))
    size = sum(wheel.stat().st_size for wheel in wheels) / home.MIB
    print(f"{len(wheels)} wheels of {size:.1f} MiB for Python {options.python} in {options.pack}; not among them:")
    for one in left_out:
        print(f"  {one}")
    return 0


def _collect(options: argparse.Namespace) -> int:
    from ci.gpuchecks.collect import collect

    for line in collect(options.collect, options.into):
        print(line)
    return 0


def _interrupt(*_: object) -> None:
    with suppress(ValueError):
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
    raise KeyboardInterrupt


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="ci/gpu", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    what = parser.add_mutually_exclusive_group()
    what.add_argument("--list", action="store_true", help="list the parts, their budgets and their questions")
    what.add_argument("--rehearse", action="store_true", help="do the same at toy size on the CPU")
    what.add_argument("--pack", type=Path, metavar="DIR", help="fill a folder with wheels; what is in it goes")
    what.add_argument("--collect", type=Path, metavar="DIR", help="keep results: of --out, or what --home brought")
    parser.add_argument("--only", action="extend", nargs="+", default=[], metavar="PART", help="of --list")
    parser.add_argument("--out", type=Path, metavar="DIR", help="results, logs, runs (default: test-artifacts/gpu)")
    parser.add_argument("--home", type=Path, metavar="DIR", help="bring few and small files home into this folder")
    parser.add_argument("--resume", type=Path, metavar="DIR", help="begin with what an earlier --home brought")
    parser.add_argument("--minutes", type=float, help="all together (default: 10)")
    parser.add_argument("--wheels", type=Path, metavar="DIR", help="install those of --pack first, without network")
    packing = parser.add_argument_group("with --pack")
    packing.add_argument("--python", default="3.12", metavar="X.Y", help="of that machine (default: %(default)s)")
    packing.add_argument("--limit-mib", type=float, default=60, metavar="N", help="of all (default: %(default)s)")
    packing.add_argument(
        "--there",
        action="append",
        default=[],
        metavar="A,B",
        help="packages that the machine has, which are not carried",
    )
    collecting = parser.add_argument_group("with --collect")
    collecting.add_argument("--into", type=Path, default=ROOT, metavar="DIR", help="another root than this checkout")
    return parser


if __name__ == "__main__":
    sys.exit(main())
