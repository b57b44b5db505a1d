"""`grokcore champion`: show, list or roll back a champion, and print the verdict of a retraining."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from typing import Any, get_args

from grokcore.champions import ChampionVersion, History, Verdict, read_decision, rollback, rollback_target
from grokcore.champions.markdown import decision_markdown, origin_text, summary_text
from grokcore.cli.runs import confirmed
from grokcore.cli.specs import say
from grokcore.errors import GrokcoreError, InputError
from grokcore.storage.layout import champion_store
from grokcore.storage.local import clear_errors, local_path
from grokcore.terminal.output import print_line, print_text
from grokcore.terminal.tables import print_columns


def show(options: argparse.Namespace) -> None:
    """Show the current champion of a name."""
    history, entries = _history(options)
    entry = entries[-1]
    if history.read_pointer() != entry:
        say(
            f"{history.pointer_uri} is out of date: the champion is version {entry.version}; the next "
            "retraining corrects it"
        )
    if options.json:
        print_text(json.dumps(_record(entry), indent=2))
        return
    print_columns(list(_facts(entry)))


def _facts(entry: ChampionVersion) -> Iterator[tuple[str, str]]:
    yield "champion", f"{entry.name}, version {entry.version}, {origin_text(entry)}, {entry.promoted}"
    yield "spec", str(entry.spec.get("name", "-"))
    yield "result", summary_text(entry.summary)
    yield "dataset", entry.dataset_id
    if entry.decision is not None:
        yield "decision", entry.decision
    for seed, uri in zip(entry.results.seeds, entry.runs, strict=True):
        yield f"seed {seed.seed}", uri


def history(options: argparse.Namespace) -> None:
    """List all versions, oldest first."""
    _, entries = _history(options)
    if options.json:
        print_text(json.dumps([_record(entry) for entry in entries], indent=2))
        return
    head = ("version", "since", "how", "spec", "reached", "median step", "accuracy")
    print_columns([head, *map(_row, entries)])


def _row(entry: ChampionVersion) -> tuple[str, ...]:
    summary = entry.summary
    return (
        str(entry.version),
        entry.promoted.replace("T", " ").removesuffix("Z")[:16],
        origin_text(entry),
        str(entry.spec.get("name", "-")),
        f"{summary.reached}/{summary.seeds}",
        "-" if summary.median_steps is None else f"{summary.median_steps:,}",
        "-" if summary.mean_accuracy is None else f"{summary.mean_accuracy:.4f}",
    )


def roll_back(options: argparse.Namespace) -> None:
    """Promote an earlier version again, after confirmation."""
    _, entries = _history(options)
    head = entries[-1]
    target = next(e for e in entries if e.version == rollback_target(entries, options.champion, options.to))
    question = f"replace champion {head.name} version {head.version} with version {target.version}?"
    if not options.yes and not confirmed(question):
        say("nothing was changed")
        return
    entry = rollback(champion_store(options.store), options.champion, seen=head.version, to=target.version)
    print_line(f"champion {entry.name} is version {entry.version}, {origin_text(entry)}: {summary_text(entry.summary)}")


def verdict(options: argparse.Namespace) -> None:
    """Print the verdict of a retraining as Markdown.

    Raises:
        GrokcoreError: `--fail-on` lists the verdict, or a promotion is missing; exit code 1.
        InputError: no such record, or `--fail-on` lists an unknown verdict.
    """
    unwanted = _verdicts(options.fail_on)
    decision = read_decision(options.uri)
    text = decision_markdown(decision)
    print_text(text)
    if options.summary is not None:
        with clear_errors("write", options.summary), local_path(options.summary).open("a", encoding="utf-8") as summary:
            summary.write(text)
    sys.stdout.flush()
    if decision.verdict in unwanted:
        raise GrokcoreError(f"the verdict is {decision.verdict}, which --fail-on lists")
    if decision.verdict == "promote" and decision.promoted is None:
        raise GrokcoreError("the verdict is promote, but the promotion is missing")


def _verdicts(text: str) -> set[str]:
    names = {part.strip() for part in text.split(",")} - {""}
    known = get_args(Verdict)
    unknown = sorted(names - set(known))
    if unknown:
        raise InputError(f"--fail-on: unknown verdict {unknown[0]}; known are {', '.join(known)}")
    return names


def _history(options: argparse.Namespace) -> tuple[History, Sequence[ChampionVersion]]:
    """Open the history of a champion and read its entries.

    Raises:
        InputError: no such champion.
    """
    found = History(champion_store(options.store), options.champion)
    entries = found.entries()
    if not entries:
        raise InputError(f"there is no champion {options.champion} in {found.store}")
    return found, entries


def _record(entry: ChampionVersion) -> dict[str, Any]:
    return entry.model_dump(mode="json")
