"""The page of a comparison."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bokeh.models import Range1d

from grokcore.claims import ClaimResult
from grokcore.claims.base import VERDICTS
from grokcore.claims.result import ConfoundResult
from grokcore.evaluation.remarks import remarks_on_many
from grokcore.reporting.comparison import headline, multiples
from grokcore.reporting.comparison.charts import accuracy_charts, bands_of
from grokcore.reporting.comparison.columns import columns_of_runs
from grokcore.reporting.comparison.dose_charts import dose_responses
from grokcore.reporting.comparison.exports import CURVES
from grokcore.reporting.comparison.fairness import confounds, known_confounds, only_some_have, size_table
from grokcore.reporting.comparison.flags import flags, rules
from grokcore.reporting.comparison.links import RunLinks, links_of
from grokcore.reporting.comparison.outcomes import Outcomes, outcomes_of
from grokcore.reporting.comparison.study import Study, study_of
from grokcore.reporting.comparison.survival_charts import survival_charts
from grokcore.reporting.comparison.sweep_facts import SweepFacts, tuned_by_run
from grokcore.reporting.comparison.tables import accuracy_table, against_table, outcome_table, run_cells, times_tables
from grokcore.reporting.comparison.words import median_text, number_text, p_text, verdicts_text
from grokcore.reporting.meanings import meanings
from grokcore.reporting.page import render_page
from grokcore.reporting.table import Cell
from grokcore.runs.groups import Group, seed_text
from grokcore.storage.local import home_relative

MOST_OPEN = 2
"""Beyond so many groups, what became of each is folded away, and the overview stands for it."""


@dataclass(frozen=True)
class RunRow:
    """A single run in the list of all."""

    group: str
    seed: str
    uri: str
    cells: list[Cell]
    diverged: bool
    links: RunLinks


def render_comparison(
    groups: Sequence[Group],
    claims: Sequence[ClaimResult],
    place: str,
    *,
    facts: SweepFacts | None = None,
    left_out: Sequence[str] = (),
) -> str:
    """The HTML of the comparison of at least one group, for the directory or prefix `place`."""
    study = study_of(groups)
    outcomes, bands = outcomes_of(study), bands_of(study)
    band_button = len(groups)
    x_range = Range1d(*study.steps.limits)
    accuracy = accuracy_charts(study, bands, x_range, band_button)
    survival = survival_charts(study, outcomes, x_range, band_button)
    doses = dose_responses(study, outcomes)
    return render_page(
        "comparison.html.j2",
        [*accuracy, *survival, *(chart for dose in doses for chart in dose.charts)],
        title=headline.title(study),
        study=study,
        sweep=facts,
        left_out=left_out,
        facts=headline.facts(study),
        overview=list(headline.overview(study, outcomes)),
        draws=headline.draws_sentence(study),
        comparisons=len(outcomes.corrected),
        findings=[(group, headline.findings(study, outcomes, number)) for number, group in enumerate(groups)],
        remarks=remarks_on_many([run.evaluation for group in groups for run in group.runs]),
        is_open=len(groups) <= MOST_OPEN,
        accuracy_charts=accuracy,
        survival_charts=survival,
        doses=doses,
        band_button=band_button,
        thinned=bands.thinned,
        thresholds=sorted({group.spec.evaluation.threshold for group in groups}),
        multiples=multiples.multiples(study, bands, _notes(study, outcomes)) if study.is_crowded else [],
        multiples_keys=multiples.keys(study),
        multiples_ticks=multiples.ticks(study),
        multiples_size=(multiples.WIDTH, multiples.HEIGHT),
        height_of=multiples.height_of,
        times=times_tables(study, outcomes),
        against=against_table(study, outcomes),
        outcome=outcome_table(study, outcomes),
        accuracy=accuracy_table(study),
        sizes=size_table(study, tuned_by_run(facts)),
        confounds=confounds(study, known_confounds(claims)),
        only_some_have=only_some_have(study),
        claims=[claim for claim in claims if claim.verdict != "not tested"],
        verdicts=_verdicts(claims),
        silent_claims=[claim for claim in claims if claim.verdict == "not tested"],
        unvaried=_unvaried,
        number=number_text,
        p_text=p_text,
        flags=flags(study),
        rules=rules(),
        runs=list(_runs(study, place)),
        meanings=meanings(
            [run.evaluation.threshold for group in groups for run in group.runs],
            [group.spec.evaluation.model_dump(mode="json") for group in groups],
        ),
        columns=[("runs.csv and runs.parquet", columns_of_runs(groups)), ("curves.parquet", CURVES)],
    )


def _verdicts(claims: Sequence[ClaimResult]) -> list[tuple[str, int]]:
    """How many claims came to each verdict, those left out that none came to; a claim counts once for each scope."""
    counts = Counter(claim.verdict for claim in claims)
    return [(verdict, counts[verdict]) for verdict in VERDICTS if counts[verdict] and verdict != "not tested"]


def _unvaried(claim: ClaimResult) -> list[ConfoundResult]:
    """The known confounds of a claim of which all its runs have the same value."""
    return [confound for confound in claim.confounds if len(confound.parts) == 1]


def _notes(study: Study, outcomes: Outcomes) -> list[str]:
    """What became of each group on the last held-out split, in the few words that a small chart has room for."""
    split = study.held_out[-1]
    found = [outcomes.get(number, split, "sustained") for number in range(len(study.groups))]
    return ["" if outcome is None else f"{verdicts_text(outcome)}; median {median_text(outcome)}" for outcome in found]


def _runs(study: Study, place: str) -> Iterator[RunRow]:
    records = [(group, run) for group in study.groups for run in group.runs]
    links = links_of([run.uri for _, run in records], place)
    for (group, run), link in zip(records, links, strict=True):
        cells = run_cells(run, study.held_out)
        seed = seed_text(run.spec, len(group.draws))
        yield RunRow(group.label, seed, home_relative(run.uri), cells, run.evaluation.diverged, link)
