"""`grokcore analyze`: look inside the checkpoints of runs, and print the headlines."""

from __future__ import annotations

import argparse
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from grokcore.cli.specs import say
from grokcore.errors import InputError
from grokcore.interpret.registry import ANALYSES, default_analyses
from grokcore.terminal.output import print_line

if TYPE_CHECKING:
    from collections.abc import Sequence

    from grokcore.runs.analysis import AnalysisDocument, Headline


def analyze(options: argparse.Namespace) -> None:
    """Analyze one run after the other; print where the numbers are, and headlines of the last step."""
    if options.list:
        _print_analyses()
        return
    if not options.runs:
        raise InputError("give at least one RUN_URI, or --list")
    if options.out is not None and len(options.runs) > 1:
        raise InputError("--out takes the analysis of one run: analyze each by itself, or leave --out out")
    steps, analyses = steps_of(options.steps), analyses_of(options.only, options.extra)
    from grokcore.interpret import analyze_model
    from grokcore.runs.record import read_head
    from grokcore.storage import open_store

    for run in options.runs:
        label = f"{PurePosixPath(run).name}: " if len(options.runs) > 1 else ""
        analysis = analyze_model(
            run,
            data=options.data,
            steps=steps,
            analyses=analyses,
            examples=options.examples,
            seed=options.seed,
            out=options.out,
            notify=lambda line, label=label: say(f"{label}{line}"),  # type: ignore[misc]
        )
        print_line(f"{str(options.out or run).rstrip('/')}/analysis.json")
        print_headlines(analysis.document, read_head(open_store(run)).spec.task.held_out_splits)
        for verdict in analysis.verdicts():
            print_line(_cut(verdict, 80))


def steps_of(text: str) -> str | list[int]:
    """Return `milestones`, `all`, or the numbers of a list such as 1000,2000.

    Raises:
        InputError: it is none of these.
    """
    if text in ("milestones", "all"):
        return text
    try:
        return [int(part) for part in text.split(",")]
    except ValueError:
        raise InputError(f"--steps {text}: give milestones, all, or steps such as 1000,2000") from None


def analyses_of(only: str | None, extra: str | None) -> list[str]:
    """Return the names of the analyses to run: those of `only`, or the default ones, and those of `extra`."""
    chosen = default_analyses() if only is None else only.split(",")
    return [name.strip() for name in (*chosen, *([] if extra is None else extra.split(",")))]


def print_headlines(document: AnalysisDocument, splits: Sequence[str]) -> None:
    """Print the headlines of the last step by analysis and split, within 80 columns.

    Args:
        splits: those to print, beside numbers of the weights.
    """
    every = [headline for headline in document.headlines if headline.step == document.steps[-1]]
    last = [headline for headline in every if not headline.split or headline.split in splits]
    print_line(f"at step {document.steps[-1]:,} of {document.architecture}, 95 % intervals; n examples")
    place = ("", "")
    for headline in last:
        if headline.analysis != place[0]:
            print_line(headline.analysis)
        if headline.split and (headline.analysis, headline.split) != place:
            print_line(f"  {_cut(headline.split, 78)}")
        place = (headline.analysis, headline.split)
        print_line(_line(headline))
    others = list(dict.fromkeys(headline.split for headline in every if headline not in last))
    if others:
        print_line(f"{len(others)} further splits: analysis.json; all layers and positions: analysis.parquet")


def _line(headline: Headline) -> str:
    about = " ".join(part for part in (headline.metric, headline.case, headline.target) if part)
    value = "-" if headline.value is None else f"{headline.value:.3g}"
    interval = ""
    if headline.lower is not None and headline.upper is not None:
        interval = f"[{headline.lower:.3g}, {headline.upper:.3g}]"
    count = f"{headline.n:,}" if headline.n else ""
    return f"    {_cut(about, 36):<36} {value:>9} {interval:<22}{count:>7}".rstrip()


def _cut(text: str, width: int) -> str:
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _print_analyses() -> None:
    rows: Sequence[tuple[str, str]] = [
        (f"{name}{'' if entry.default else ' (--with)'}", entry.measures) for name, entry in ANALYSES.items()
    ]
    width = max(len(name) for name, _ in rows)
    for name, measures in rows:
        print_line(f"{name:<{width}}  {measures}")
