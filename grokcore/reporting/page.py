"""The page of one run or of many: what its template shows."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from bokeh.models import Range1d

from grokcore.claims import ClaimResult
from grokcore.claims.base import VERDICTS
from grokcore.claims.result import ConfoundResult
from grokcore.evaluation.remarks import remarks_on_many
from grokcore.evaluation.speedups import SpeedupReport
from grokcore.interpret.result import Analysis
from grokcore.reporting import accuracy_charts as curves
from grokcore.reporting import findings
from grokcore.reporting.beside_published import beside_published
from grokcore.reporting.columns import CURVES, columns_of_runs
from grokcore.reporting.fairness import SweepFacts, confounds, known_confounds, only_some_have, size_table, tuned_by_run
from grokcore.reporting.figures import Chart
from grokcore.reporting.formatting import phase_definitions
from grokcore.reporting.html import page_part, render_page
from grokcore.reporting.interaction import HeatMap, heat_maps
from grokcore.reporting.interpret.cells import count_of, heat_rows, shades
from grokcore.reporting.interpret.comparison import compared
from grokcore.reporting.interpret.glance import FEWEST
from grokcore.reporting.interpret.section import inside_of
from grokcore.reporting.links import RunLinks, links_of
from grokcore.reporting.outcomes import Outcomes, median_text, number_text, outcomes_of, p_text, verdicts_text
from grokcore.reporting.phase_diagrams import phase_diagram, reached_text
from grokcore.reporting.run_findings import run_facts
from grokcore.reporting.run_section import MOST_DETAILED, run_sections
from grokcore.reporting.run_tables import manifest_table
from grokcore.reporting.speedups import budget_text, names_of, panels
from grokcore.reporting.study import Study, study_of
from grokcore.reporting.table import Cell, accuracy_table, against_table, outcome_table, run_cells, times_tables
from grokcore.reporting.time_charts import dose_responses, survival_charts
from grokcore.reporting.timeline import timeline_ticks
from grokcore.reporting.transfer import transfer_of
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


@dataclass(frozen=True)
class Diagram:
    """A phase diagram, and the map that it draws."""

    chart: Chart
    map: HeatMap


def render(
    groups: Sequence[Group],
    claims: Sequence[ClaimResult],
    place: str,
    *,
    facts: SweepFacts | None = None,
    speedups: SpeedupReport | None = None,
    left_out: Sequence[str] = (),
    has_tables: bool = False,
    analyses: Mapping[str, Analysis] | None = None,
) -> str:
    """Return the HTML of at least one group of runs, for the directory or prefix `place`.

    Args:
        claims: held against the runs.
        facts: of the sweep that the runs belong to.
        speedups: its points against its baseline.
        left_out: a line for each run that is not shown.
        has_tables: whether runs.csv and its like lie beside the page.
        analyses: by the URI of the run that they lie beside.
    """
    study = study_of(groups)
    outcomes = outcomes_of(study)
    runs = [run for group in groups for run in group.runs]
    names = [name for group in groups for name in group.names]
    is_alone = len(runs) == 1
    x_range = Range1d(*study.steps.limits)
    band_button = len(groups)
    bands = None if is_alone else curves.bands_of(study)
    accuracy = [] if bands is None else curves.accuracy_charts(study, bands, x_range, band_button)
    survival = [] if is_alone else survival_charts(study, outcomes, x_range, band_button)
    doses = dose_responses(study, outcomes)
    mapped = heat_maps(study, outcomes)
    diagrams = [Diagram(phase_diagram(f"phase-diagram-{place}", one), one) for place, one in enumerate(mapped.maps)]
    published = beside_published(study)
    first_button = 0 if is_alone else band_button + 1
    sections = run_sections(study, x_range, first_button) if len(runs) <= MOST_DETAILED else []
    inside = None
    if is_alone and analyses:
        first_toggle = first_button + len(sections[0].buttons)
        inside = inside_of(study, runs[0], analyses[runs[0].uri], names[0], x_range, first_toggle)
    inside_groups = compared(study, analyses) if analyses and not is_alone else None
    drawn = [
        *accuracy,
        *survival,
        *(one.chart for one in diagrams),
        *(chart for dose in doses for chart in dose.charts),
        *(published.charts if published else ()),
    ]
    is_crowded = study.is_crowded and bands is not None
    return render_page(
        "report.html.j2",
        [*drawn, *(chart for section in sections for chart in section.charts), *(inside.charts if inside else ())],
        parts=[page_part("interpret", shown.data) for shown in (inside, inside_groups) if shown is not None],
        title=names[0] if is_alone else findings.title(study),
        description=study.groups[0].spec.description if len(groups) == 1 else "",
        study=study,
        is_alone=is_alone,
        sweep=facts,
        left_out=left_out,
        facts=run_facts(runs[0]) if is_alone else findings.facts(study),
        overview=list(findings.overview(study, outcomes)),
        draws=findings.draws_sentence(study),
        comparisons=len(outcomes.corrected),
        findings=[(group, findings.findings(study, outcomes, number)) for number, group in enumerate(groups)],
        remarks=remarks_on_many([run.evaluation for run in runs]),
        is_open=len(groups) <= MOST_OPEN,
        accuracy_charts=accuracy,
        survival_charts=survival,
        doses=doses,
        diagrams=diagrams,
        diagrams_note=mapped.note,
        published=published,
        median_text=median_text,
        reached_text=reached_text,
        band_button=band_button,
        thinned=(bands is not None and bands.thinned) or any(section.thinned for section in sections),
        thresholds=sorted({group.spec.evaluation.threshold for group in groups}),
        small_charts=curves.small_charts(study, bands, _notes(study, outcomes)) if is_crowded and bands else [],
        small_keys=curves.small_keys(study),
        small_ticks=curves.small_ticks(study),
        small_size=(curves.WIDTH, curves.HEIGHT),
        height_of=curves.height_of,
        sections=sections,
        inside=inside,
        inside_groups=inside_groups,
        heat_rows=heat_rows,
        count_of=count_of,
        fewest=FEWEST,
        shades=shades(),
        ticks=timeline_ticks(study.steps),
        manifest=manifest_table(runs, names) if len(runs) <= MOST_DETAILED else None,
        times=times_tables(study, outcomes),
        transfer=transfer_of(groups),
        speedups=panels(speedups),
        baseline="" if speedups is None else names_of(speedups)[speedups.baseline],
        budget="" if speedups is None else budget_text(speedups),
        is_tuned=speedups is not None and all(arm.search is not None for arm in speedups.arms),
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
        flags=findings.flags(study),
        rules=findings.rules(),
        runs=list(_runs(study, place)),
        phase_definitions=phase_definitions(
            [run.evaluation.threshold for run in runs],
            [group.spec.evaluation.model_dump(mode="json") for group in groups],
        ),
        columns=[("runs.csv and runs.parquet", columns_of_runs(groups)), ("curves.parquet", CURVES)]
        if has_tables
        else [],
    )


def _verdicts(claims: Sequence[ClaimResult]) -> list[tuple[str, int]]:
    """Count the claims of each verdict, those left out that none came to; a claim counts once for each scope."""
    counts = Counter(claim.verdict for claim in claims)
    return [(verdict, counts[verdict]) for verdict in VERDICTS if counts[verdict] and verdict != "not tested"]


def _unvaried(claim: ClaimResult) -> list[ConfoundResult]:
    """Return the known confounds of a claim of which all its runs have the same value."""
    return [confound for confound in claim.confounds if len(confound.parts) == 1]


def _notes(study: Study, outcomes: Outcomes) -> list[str]:
    """Tell what became of each group on the last held-out split, as briefly as a small chart needs."""
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
