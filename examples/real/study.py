"""Train on real facts, from the installed package to the report, and show each command.

python -m examples.real.study elements --out elements-study
python -m examples.real.study elements --out elements-control --shuffled 1
"""

from __future__ import annotations

import argparse
import contextlib
import io
import shlex
from importlib import import_module
from pathlib import Path

from examples.real.tables import Table
from grokcore.cli.main import main as run

HERE = Path(__file__).parent
STUDIES = ("cities", "countries", "elements", "geography", "periodic_table")
"""Modules beside this one, each with a spec of the same name."""


def main(arguments: list[str] | None = None) -> None:
    """Run all stages, or those that are left to do: a second call resumes."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("study", choices=STUDIES)
    parser.add_argument("--out", type=Path, required=True, help="directory for facts, data, runs and report")
    parser.add_argument("--seeds", default="0", help="seeds to train, such as 0..2 (default: 0)")
    parser.add_argument("--values", type=int, default=5, help="ranks that numbers are cut to (default: 5)")
    parser.add_argument("--shuffled", type=int, metavar="SEED", help="permute what each attribute says: a control")
    parser.add_argument(
        "--augment", choices=("true", "false"), help="add further facts (periodic_table), as they are or shuffled"
    )
    parser.add_argument("--examples", type=int, default=300, help="questions of each split to analyze (default: 300)")
    parser.add_argument("--set", action="append", default=[], metavar="FIELD=VALUE", help="change a field of the spec")
    options = parser.parse_args(arguments)
    module = import_module(f"examples.real.{options.study}")
    table: Table = module.table(options.values)
    if options.shuffled is not None:
        table = table.shuffled(options.shuffled)
    if options.augment is not None:
        if not hasattr(module, "further"):
            parser.error(f"--augment: {options.study} has no further facts; examples.real.augment draws some")
        further: Table = module.further()
        table = table.augmented_by(further if options.augment == "true" else further.shuffled(0))
    options.out.mkdir(parents=True, exist_ok=True)
    facts, data, mine = (str(options.out / name) for name in ("facts.csv", "data", "spec.yaml"))
    print(f"{facts}: {len(table.facts)} facts from {table.source}, SHA-256 {table.write(Path(facts))}", flush=True)

    of_task = [change for change in options.set if change.startswith("task.")]
    others = [change for change in options.set if change not in of_task]
    spec = str(HERE / f"{options.study}.yaml")
    grokcore("generate", spec, "--from", facts, "--out", data, *changes(of_task))
    grokcore("spec", spec, "--data", data, *changes(others), stdout=Path(mine))
    grokcore("train", mine, "--data", data, "--out", str(options.out), "--seeds", options.seeds)
    runs = sorted(str(run) for run in options.out.glob("seed-*"))
    grokcore("evaluate", *runs)
    grokcore("analyze", *runs, "--only", "lens,tracing", "--examples", str(options.examples))
    grokcore("report", *runs, "--out", str(options.out / "report.html"))


def changes(fields: list[str]) -> list[str]:
    return [word for field in fields for word in ("--set", field)]


def grokcore(*arguments: str, stdout: Path | None = None) -> None:
    """Run a command of grokcore in this process after printing it; write its output to the file `stdout`, if any.

    Raises:
        SystemExit: it failed, with its exit code.
    """
    print(f"\n$ grokcore {shlex.join(arguments)}" + (f" > {stdout}" if stdout else ""), flush=True)
    output = io.StringIO()
    with contextlib.redirect_stdout(output) if stdout else contextlib.nullcontext():
        code = run(arguments)
    if code:
        raise SystemExit(code)
    if stdout:
        stdout.write_text(output.getvalue(), encoding="utf-8")


if __name__ == "__main__":
    main()
