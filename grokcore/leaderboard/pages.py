"""The pages of the records, generated from the entries: the table of all, and one page an entry."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from pathlib import Path

from grokcore.leaderboard.entry import ENTRY, Figures, StoredEntry, Unit, read_entry
from grokcore.leaderboard.standings import LEVEL, Standing, categories, standings
from grokcore.leaderboard.track import LEAST_SEEDS, MOST_FLOPS, Track, changes, track_of
from grokcore.storage import write_atomically

PAGE = "README.md"

_TITLES: dict[Unit, str] = {
    "steps": "Optimizer steps",
    "flops": "GFLOP of the model and the method",
    "cpu_seconds": "CPU seconds",
    "gpu_seconds": "GPU seconds",
}

_RULES = f"""\
# Records

<!-- written by `grokcore record table records` from the entries below -->

The shortest known times to grok, by preset: the sustained time to the preset's threshold on its hardest held-out
split. An entry is a folder with the spec, the journals of all seeds, what they were trained on, and the commands that
repeat it. `grokcore record check records` judges every entry anew from its journals.

- An entry changes the model and the training. The task, the data, what is supervised and the rules of judging are the
  preset's. Evaluations may come closer together, not thin out. Entries that add training rows (`task.identity`) are
  ranked apart.
- At least {LEAST_SEEDS} seeds, all of which sustain the target and keep it. They follow from the spec's own hash
  (`grokcore record seeds SPEC`), so that nobody can choose them, and no recipe was tuned on them.
- Nothing is decided on held-out data (`drop_on` or `freeze_on` of a held-out split), and nothing starts from another
  run.
- Steps count where no step sees more examples than the preset's, and a step of the model takes at most {MOST_FLOPS:g}
  times its FLOPs. Seconds are compared on the same machine only.
- Entries are no comparison of methods, which takes a baseline that was tuned as much.
- A lower median takes the record if the exact permutation test against the record before it says p <= {LEVEL:g}.
"""


def entries_in(folder: Path) -> list[StoredEntry]:
    """Read all entries of a folder, in the order of their paths.

    Raises:
        InputError: one cannot be read.
    """
    return [read_entry(path.parent) for path in entry_files(folder)]


def entry_files(folder: Path) -> list[Path]:
    return sorted(folder.glob(f"*/*/{ENTRY}"))


def pages(folder: Path, entries: Sequence[StoredEntry]) -> dict[Path, str]:
    """Return the pages that a folder of entries should have, by path."""
    texts = {stored.folder / PAGE: entry_page(stored) for stored in entries}
    return {folder / PAGE: overview(entries), **texts}


def write_pages(folder: Path) -> None:
    for path, text in pages(folder, entries_in(folder)).items():
        write_atomically(path, text.encode())


def overview(entries: Sequence[StoredEntry]) -> str:
    """Return the table of all entries, by preset, unit and machine."""
    if not entries:
        return f"{_RULES}\nThere is no entry yet.\n"
    parts = [_RULES.rstrip("\n")]
    for (preset, split, data), group in groupby(categories(entries), key=lambda one: (one.preset, one.split, one.data)):
        parts.append(f"## {preset}: {track_of(preset, split).target}{data and f', with {data}'}")
        for category in group:
            where = "" if category.machine is None else f" on {category.machine}"
            parts += [f"### {_TITLES[category.unit]}{where}", _history(standings(entries, category), category.unit)]
    return "\n\n".join(parts) + "\n"


def _history(history: Sequence[Standing], unit: Unit) -> str:
    header = ("entry", "what", "added", "seeds", "median", "mean", "lowest to highest", "standing")
    rows = [
        (
            f"[{standing.stored.name}]({standing.stored.entry.preset}/{standing.stored.name})",
            standing.stored.entry.title,
            standing.stored.entry.date,
            str(len(standing.stored.entry.runs)),
            *_numbers(standing.figures, unit),
            _standing(standing),
        )
        for standing in history
    ]
    return _table(header, rows)


def _standing(standing: Standing) -> str:
    p = "" if standing.p is None else f"p = {standing.p:.2g} against the record before"
    if not standing.record:
        return f"no record: {p}"
    if standing.beaten_by is None:
        return f"**record**{p and f', {p}'}"
    return f"record until {standing.beaten_by.entry.date}, beaten by {standing.beaten_by.name}"


def entry_page(stored: StoredEntry) -> str:
    """Return the page of one entry."""
    entry, track = stored.entry, track_of(stored.entry.preset, stored.entry.split)
    header = ("time to the target", "median", "mean", "lowest to highest", "by seed")
    rows = [
        (_TITLES[unit], *_numbers(figures, unit), ", ".join(_number(value, unit) for value in figures.values))
        for unit, figures in entry.figures.items()
    ]
    return (
        "\n\n".join(
            [
                f"# {stored.name}",
                "<!-- written by `grokcore record table records` -->",
                f"{entry.title}. {_summary(stored, track)}",
                _table(header, rows),
                "Changed in the preset, whose own value stands in brackets:",
                "\n".join(f"- `{change}`" for change in changes(stored.recipe, track)) or "nothing",
                "\n".join(f"- {line}" for line in _facts(stored)),
                f"Run it again, in a checkout of commit `{_commit(stored)}`:",
                f"```bash\n{chr(10).join(commands(stored))}\n```",
            ]
        )
        + "\n"
    )


def _summary(stored: StoredEntry, track: Track) -> str:
    entry = stored.entry
    return (
        f"Preset `{entry.preset}`, {track.target}, seeds {entry.seeds[0]}..{entry.seeds[-1]}; "
        f"{_count(entry.trials)} tried to find it."
    )


def _count(trials: int) -> str:
    return "1 configuration was" if trials == 1 else f"{trials:,} configurations were"


def commands(stored: StoredEntry) -> Iterator[str]:
    """Yield the commands that train the seeds anew and make an entry of them."""
    entry, spec = stored.entry, f"records/{stored.entry.preset}/{stored.name}/spec.yaml"
    yield f"grokcore generate {spec} --out again/data"
    yield f"grokcore train {spec} --data again/data --out again/runs --seeds {entry.seeds[0]}..{entry.seeds[-1]}"
    yield "grokcore evaluate again/runs/seed-*"
    split = "" if entry.split == stored.recipe.task.held_out_splits[-1] else f" --split {entry.split}"
    yield (
        f"grokcore record add again/runs --preset {entry.preset}{split} --name again --title again "
        f"--trials {entry.trials} --out again/records"
    )


def _facts(stored: StoredEntry) -> Iterator[str]:
    entry = stored.entry
    versions = entry.conditions.versions
    yield f"machine: {entry.machine}; " + ", ".join(f"{name} {versions.get(name)}" for name in ("grokcore", "torch"))
    yield f"model: {entry.parameters:,} parameters, {entry.flops_per_step / 1e9:.3g} GFLOP a step"
    yield f"trained {entry.runs[0].started} to {max(run.finished for run in entry.runs)}"
    if (entry.conditions.git or {}).get("dirty"):
        yield "the checkout had changes that were not committed"


def _commit(stored: StoredEntry) -> str:
    return str((stored.entry.conditions.git or {}).get("commit", "unknown"))


def _numbers(figures: Figures, unit: Unit) -> tuple[str, str, str]:
    low, high = min(figures.values), max(figures.values)
    return _number(figures.median, unit), _number(figures.mean, unit), f"{_number(low, unit)} to {_number(high, unit)}"


def _number(value: float, unit: Unit) -> str:
    match unit:
        case "steps":
            return f"{value:,.1f}".removesuffix(".0")
        case "flops":
            return f"{value / 1e9:,.0f}" if value >= 1e11 else f"{value / 1e9:.3g}"
        case _:
            return f"{value:,.1f}"


def _table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [header, ["---"] * len(header), *rows]
    return "\n".join(f"| {' | '.join(cell.replace('|', '&#124;') for cell in line)} |" for line in lines)
