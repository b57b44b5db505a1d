"""Keep what was brought home: benchmark rows, checks and journals in ci/benchmarks/results, a record in records."""

from __future__ import annotations

import gzip
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ci.benchmarks import machine
from ci.benchmarks.results import free_name, identity, write_markdown
from ci.benchmarks.targets import judge
from ci.gpuchecks import home, results
from ci.gpuchecks.catalog import PARTS
from ci.gpuchecks.runner import ROOT
from ci.gpuchecks.runs import RECIPE, RECIPE_TRACK, RUNS
from ci.gpuchecks.speed import files
from grokcore.errors import GrokcoreError
from grokcore.leaderboard.adding import add_entry
from grokcore.leaderboard.pages import write_pages
from grokcore.leaderboard.track import track_of
from grokcore.runs.journal import JOURNAL
from grokcore.runs.seal import MANIFEST, SPEC
from grokcore.storage import read_json, write_atomically, write_json

RESULTS = Path("ci") / "benchmarks" / "results"
OTHER_PARTS = ("checkpoints", "seeds")
CONDITIONS = "conditions.json"
KEPT_OF_MANIFEST = ("run_id", "versions", "hardware", "git", "execution", "model", "attempts", "exit_reason", "started")
"""Of a run's manifest: all but the places of the machine that trained it."""
RECIPE_ENTRY = Path("records") / RECIPE_TRACK / "wide-muon" / "entry.json"
"""The same recipe's entry on a CPU, which says by how many trials it was found."""


def collect(place: Path, root: Path) -> Iterator[str]:
    """Keep the results of `ci/gpu` below a root, in the formats that are there; a line for each thing kept.

    Args:
        place: what `--out` has, or what `--home` brought.

    Raises:
        LookupError: there are no results, or they are of a rehearsal and would land among those of this checkout.
    """
    with tempfile.TemporaryDirectory() as scratch:
        out = place
        if list(place.glob(f"{home.RESULTS}.*")):
            out = Path(scratch)
            home.unpack(place, out)
        checks = {part.name: found.document for part in PARTS if (found := results.read(out, part.name)) is not None}
        if not checks:
            raise LookupError(f"there are no results of ci/gpu in {place}")
        rehearsed = any(found["device"] == "cpu" for found in checks.values())
        if rehearsed and root == ROOT:
            raise LookupError(f"{place} holds a rehearsal, which measures nothing: keep it elsewhere with --into DIR")
        folder = root / RESULTS
        folder.mkdir(parents=True, exist_ok=True)
        facts = _machine(checks)
        yield from _keep_checks(checks, facts, folder)
        yield from _keep_speed(out, folder)
        yield from _keep_journals(out, folder)
        yield from _keep_record(out, checks, facts, root)


def _machine(checks: dict[str, Any]) -> dict[str, Any]:
    """Return the facts of the machine, as the part `environment` has found them."""
    rows = checks.get("environment", {"rows": []})["rows"]
    facts: dict[str, Any] = dict.fromkeys(("processor", "cores", "gpu", "commit", "uncommitted_changes"))
    versions = {}
    for row in rows:
        if row["what"] in facts:
            facts[row["what"]] = row["found"]
        elif row["what"] in ("torch", "transformers", "numpy"):
            versions[row["what"]] = row["found"]
    return {**facts, "versions": versions}


def _keep_checks(checks: dict[str, Any], facts: dict[str, Any], folder: Path) -> Iterator[str]:
    date = min(found["started"] for found in checks.values())
    path = free_name(folder, f"{date[:10]}-{machine.slug(facts)}-checks")
    document = {"format": 1, "date": date, "machine": facts, "checks": checks}
    write_json(path, document)
    write_markdown(path, document)
    yield f"{path}: {len(checks)} parts"


def _keep_speed(out: Path, folder: Path) -> Iterator[str]:
    """Join the files of several parts to one, since targets are judged on one."""
    found = [read_json(path) for path in files(out)]
    if not found:
        return
    joined = found[0]
    for other in found[1:]:
        known = {identity(row) for row in joined["rows"]}
        joined["rows"] += [row for row in other["rows"] if identity(row) not in known]
        joined["failures"] += other["failures"]
        joined["peak_flops"] = {**other["peak_flops"], **joined["peak_flops"]}
        joined |= {part: other[part] for part in OTHER_PARTS if part in other and part not in joined}
    joined["targets"] = judge(joined)
    path = free_name(folder, f"{joined['date'][:10]}-{machine.slug(joined['machine'])}")
    write_json(path, joined)
    write_markdown(path, joined)
    yield f"{path}: {len(joined['rows'])} rows"


def _keep_journals(out: Path, folder: Path) -> Iterator[str]:
    """Keep spec, manifest and journal of each long run; a later, longer journal takes the place of an earlier one."""
    for journal in sorted((out / RUNS).glob(f"*/*/{JOURNAL}")):
        run = journal.parent
        target = folder / f"gpu-{run.parent.name}" / run.name
        target.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(run / SPEC, target / SPEC)
        manifest = read_json(run / MANIFEST)
        write_json(target / CONDITIONS, {name: manifest[name] for name in KEPT_OF_MANIFEST})
        write_atomically(target / f"{JOURNAL}.gz", gzip.compress(journal.read_bytes(), mtime=0))
        yield f"{target}: spec, conditions and journal"


def _keep_record(out: Path, checks: dict[str, Any], facts: dict[str, Any], root: Path) -> Iterator[str]:
    """Make the recipe's runs an entry, if they keep the rules; else say why not."""
    folder = out / RUNS / "recipe"
    if not folder.exists():
        return
    if checks.get("recipe", {}).get("state") != "done":
        yield f"no record: the part recipe is {checks.get('recipe', {}).get('state', 'absent')}"
        return
    gpu = machine.slug(facts)
    try:
        entry = add_entry(
            [folder],
            track_of(RECIPE_TRACK),
            root / "records",
            name=f"fast-{gpu}"[:64].rstrip("-"),
            title=f"{RECIPE} on {facts['gpu']}",
            trials=read_json(ROOT / RECIPE_ENTRY)["trials"],
        )
    except GrokcoreError as error:
        yield f"no record: {error}"
        return
    write_pages(root / "records")
    yield f"{entry.folder}: a record's entry"
