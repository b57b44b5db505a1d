"""Check an entry by judging its journals anew: what it claims has to follow from them, by the rules of its track."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from grokcore.errors import InputError
from grokcore.leaderboard.entry import Entry, Figures, StoredEntry, Unit, read_entry
from grokcore.leaderboard.judging import judge_run
from grokcore.leaderboard.pages import entry_files, pages
from grokcore.leaderboard.track import (
    LEAST_SEEDS,
    Track,
    check_recipe,
    flops_of_model,
    seeds_of,
    track_of,
    why_steps_do_not_count,
)
from grokcore.runs.evaluation import Time
from grokcore.runs.journal import JournalLine
from grokcore.spec import ExperimentSpec


def check_entry(stored: StoredEntry, track: Track | None = None) -> None:
    """Check the claim of an entry against its spec and journals.

    Args:
        track: by default that of the preset that the entry names.

    Raises:
        InputError: in one line, what does not follow.
    """
    entry, recipe = stored.entry, stored.recipe
    track = track or track_of(entry.preset, entry.split)
    try:
        check_recipe(recipe, track)
        check_seeds(entry.seeds, recipe)
        if recipe.seed != entry.seeds[0]:
            raise InputError(f"spec.yaml has seed {recipe.seed}, the first of the entry is {entry.seeds[0]}")
        for run in entry.runs:
            if with_seed(recipe, run.seed).run_id != run.run_id:
                raise InputError(f"seed {run.seed} is run {run.run_id}, which spec.yaml does not make")
        _check_flops(entry, recipe)
        found = figures(judge_all(recipe, stored.journals, track, entry.flops_per_step), entry, recipe, track)
        _check_figures(entry.figures, found)
    except InputError as error:
        raise InputError(f"{stored.folder}: {error}") from None


def problems_in(folder: Path) -> Iterator[str]:
    """Check all entries of a folder and its pages.

    Yields:
        A line for each entry that is not valid, and each page that is not the one that the entries give.
    """
    entries = []
    for path in entry_files(folder):
        try:
            stored = read_entry(path.parent)
            if (stored.entry.preset, stored.name) != (path.parent.parent.name, path.parent.name):
                raise InputError(f"{path.parent} holds an entry of {stored.entry.preset}")
            check_entry(stored)
            entries.append(stored)
        except InputError as error:
            yield str(error)
    if len(entries) < len(entry_files(folder)):
        return
    for path, text in pages(folder, entries).items():
        if not path.is_file() or path.read_text("utf-8") != text:
            yield f"{path} has drifted from the entries: run grokcore record table {folder}"


def check_seeds(seeds: Sequence[int], recipe: ExperimentSpec) -> None:
    """Check that seeds are the recipe's own, from the first on without a gap.

    Raises:
        InputError: they are not.
    """
    expected = seeds_of(recipe, max(LEAST_SEEDS, len(seeds)))
    if missing := [seed for seed in expected if seed not in seeds]:
        raise InputError(
            f"seed {missing[0]} is missing: the recipe is judged on the seeds {expected[0]}..{expected[-1]} (grokcore "
            f"record seeds prints them)"
        )
    if list(seeds) != expected:
        raise InputError(f"its seeds are not {expected[0]}..{expected[-1]}, each once and in order")


def with_seed(recipe: ExperimentSpec, seed: int) -> ExperimentSpec:
    return recipe.model_copy(update={"seed": seed})


def judge_all(
    recipe: ExperimentSpec, journals: Mapping[int, Sequence[JournalLine]], track: Track, flops_per_step: float
) -> list[Time]:
    """Judge the run of each seed; errors as in `judge_run`, with the seed in front.

    Raises:
        InputError: two seeds have the same curve.
    """
    times: list[Time] = []
    seen: dict[str, int] = {}
    for seed, lines in journals.items():
        try:
            times.append(judge_run(with_seed(recipe, seed), lines, track, flops_per_step=flops_per_step))
        except InputError as error:
            raise InputError(f"seed {seed}: {error}") from None
        curve = json.dumps([[line["train"], line["splits"]] for line in lines])
        if curve in seen:
            raise InputError(f"seed {seed} has the curve of seed {seen[curve]}: one of them was not trained")
        seen[curve] = seed
    return times


def figures(times: Sequence[Time], entry: Entry, recipe: ExperimentSpec, track: Track) -> dict[Unit, Figures]:
    """Return the times in each unit that the entry is ranked by."""
    found: dict[Unit, Figures] = {}
    if why_steps_do_not_count(recipe, track, vocabulary_size=entry.vocabulary_size, tokens=entry.tokens) is None:
        found["steps"] = Figures.of([time.steps for time in times])
    found["flops"] = Figures.of([time.flops for time in times])
    hardware, cpu = entry.conditions.hardware, [time.cpu_seconds for time in times]
    if hardware.get("device") == "cpu" and "stacked_seeds" not in entry.conditions.execution and None not in cpu:
        found["cpu_seconds"] = Figures.of([seconds for seconds in cpu if seconds is not None])
    if hardware.get("device") == "cuda":
        found["gpu_seconds"] = Figures.of([time.seconds * int(hardware.get("processes") or 1) for time in times])
    return found


def _check_flops(entry: Entry, recipe: ExperimentSpec) -> None:
    model = flops_of_model(recipe, entry.vocabulary_size, entry.tokens)
    if not math.isclose(entry.flops_per_step, model + entry.flops_of_method, rel_tol=1e-9):
        raise InputError(
            f"it claims {entry.flops_per_step:.6g} FLOPs a step, of which {entry.flops_of_method:.6g} for the method; "
            f"its model takes {model:.6g}"
        )


def _check_figures(claimed: Mapping[Unit, Figures], found: Mapping[Unit, Figures]) -> None:
    for unit in {**claimed, **found}:
        if unit not in found:
            raise InputError(f"it claims a time in {unit}, in which it cannot be ranked")
        if claimed.get(unit) != found[unit]:
            said = "nothing" if unit not in claimed else f"a median of {claimed[unit].median:g}"
            raise InputError(f"it claims {said} in {unit}, and its journals say {found[unit].median:g}")
