"""The tables of FINDINGS.md, from claims.json and summary.json."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from ci.findings.judging import CLAIMS, FINDINGS, LABORATORY, SUMMARY, Lever, Summary
from ci.markdown import table
from grokcore.claims import ClaimResult, Claims
from grokcore.documents import parse_json
from grokcore.runs.fields import fields_of, value_text
from grokcore.spec import load_spec

LINK = FINDINGS.relative_to(Path(__file__).parents[2])
DECIDED = ("reproduced", "refuted", "holds here", "does not hold here")
MOST_PLACES = 6
"""Scopes that a cell or a sentence lists."""


def _read(folder: Path, name: str) -> object:
    path = folder / name
    if not path.exists():
        raise LookupError(f"{path} is missing: python -m ci.findings makes it from the packed runs")
    return parse_json(path.read_bytes(), path)


def _claims(folder: Path) -> Claims:
    return Claims.model_validate(_read(folder, CLAIMS))


def _summary(folder: Path) -> Summary:
    return Summary.model_validate(_read(folder, SUMMARY))


def verdicts(folder: Path = FINDINGS) -> str:
    """Return the table of the claims that were tested, one row for each, and the others by number.

    A claim is tested in several scopes where runs differ in what it does not speak of. Its row has the effect in the
    laboratory's own, if it is decided there.
    """
    claims, summary = _claims(folder), _summary(folder)
    head = ("claim", "says", "verdict", "effect (95 %)", "seeds", "switched", "runs in")
    tested = _by_number(claims)
    rows = sorted(tested.values(), key=lambda results: _decided(results) == [])
    text = table(head, (_verdict(results, summary) for results in rows))
    decided = sum(_decided(results) != [] for results in rows)
    number = len({claim.number for claim in claims.claims})
    silent = sorted({claim.number for claim in claims.claims} - set(tested))
    text = f"{decided} of {number} claims are decided.\n\n{text}"
    return f"{text}\nNot tested, for lack of runs: claims {', '.join(map(str, silent))}.\n" if silent else text


def _by_number(claims: Claims) -> dict[int, list[ClaimResult]]:
    """The tested claims by number, the laboratory's own scope first."""
    found: dict[int, list[ClaimResult]] = {}
    for claim in sorted(claims.tested, key=lambda claim: (claim.number, where(claim) != LABORATORY)):
        found.setdefault(claim.number, []).append(claim)
    return found


def _decided(results: Sequence[ClaimResult]) -> list[ClaimResult]:
    return [claim for claim in results if claim.verdict in DECIDED]


def where(claim: ClaimResult) -> str:
    """Say in what the scope of a result differs from the laboratory: its name where it does not."""
    if claim.scope is None:
        return ""
    own = fields_of(load_spec(LABORATORY))
    fields = claim.scope.fields
    if own["task.kind"] not in fields.get("task.kind", []):
        return ", ".join(map(value_text, fields["task.kind"]))
    different = [
        f"{name.partition('.')[2]} {' and '.join(map(value_text, values))}"
        for name, values in fields.items()
        if name != "training.precision" and name in own and own[name] not in values
    ]
    return ", ".join(different) or LABORATORY


def _verdict(results: Sequence[ClaimResult], summary: Summary) -> tuple[str, ...]:
    decided = _decided(results)
    shown = (decided or results)[0]
    places: dict[str, list[str]] = {}
    for claim in decided or results[:1]:
        places.setdefault(claim.verdict, []).append(where(claim))
    alone = len(places) == 1 and [LABORATORY] in places.values()
    return (
        f"[{shown.number}](#what-was-found-claim-by-claim)",
        shown.statement,
        "; ".join(f"**{one}**" if alone else f"**{one}** ({_listed(names)})" for one, names in places.items()),
        effects(shown),
        "" if shown.scope is None else str(shown.scope.seeds),
        "; ".join(f"`{one.field}`" for one in shown.confounds if len(one.parts) > 1),
        ", ".join(f"[{name}]({LINK}/{name}.tar.xz)" for name in summary.studies_of[shown.number]),
    )


def _listed(names: Sequence[str]) -> str:
    names = list(dict.fromkeys(names))
    more = f" and {len(names) - MOST_PLACES} more" if len(names) > MOST_PLACES else ""
    return f"{'; '.join(names[:MOST_PLACES])}{more}"


def effects(claim: ClaimResult) -> str:
    """Return the size of a claim's effect, one for each setting: ratios of times, gains in accuracy, or counts."""
    settings: dict[str, dict[str, float]] = {}
    for key, value in claim.numbers.items():
        prefix, _, name = key.rpartition(".")
        if isinstance(value, (int, float)):
            settings.setdefault(prefix, {})[name] = value
    sizes: dict[str, list[str]] = {}
    for numbers in settings.values():
        for kind, size in _effect(numbers):
            sizes.setdefault(kind, []).append(size)
    return "; ".join(f"{kind}{', '.join(dict.fromkeys(found))}" for kind, found in sizes.items())


def _effect(numbers: dict[str, float]) -> Iterator[tuple[str, str]]:
    """Yield what kind of size it is, and the size."""
    if {"ratio", "ratio_lower", "ratio_upper"} & set(numbers):
        yield "times as late: ", _with_interval(numbers, "ratio")
    elif "gain" in numbers:
        yield "gain in accuracy: ", _with_interval(numbers, "gain")
    elif "yes" in numbers and "no" in numbers:
        answered = numbers["yes"] + numbers["no"] + numbers.get("mixed", 0)
        if answered:
            yield "", f"{numbers['yes']:g} of {answered:g}"
    elif "grokked" in numbers:
        runs = sum(numbers.get(name, 0) for name in ("grokked", "generalized", "trained_in_vain", "too_short"))
        yield "", f"{numbers['grokked']:g} of {runs:g} grok"


def _with_interval(numbers: dict[str, float], name: str) -> str:
    low, high = numbers.get(f"{name}_lower"), numbers.get(f"{name}_upper")
    found = f"{numbers[name]:.2g}" if name in numbers else "?"
    if low is None and high is None:
        return f"{found} (no limits)"
    if high is None:
        return f"{found} (at least {low:.2g})"
    return f"{found} (at most {high:.2g})" if low is None else f"{found} ({low:.2g} to {high:.2g})"


def found(folder: Path = FINDINGS) -> str:
    """Return what was found about each tested claim, in words: a sentence with its scope for each verdict."""
    return "".join(
        f"- **{number}.** {' '.join(_sentences(results))}\n" for number, results in _by_number(_claims(folder)).items()
    )


def _sentences(results: Sequence[ClaimResult]) -> Iterator[str]:
    for verdict in dict.fromkeys(claim.verdict for claim in [*_decided(results), *results]):
        first, *others = [claim for claim in results if claim.verdict == verdict]
        yield f"*{verdict[0].upper()}{verdict[1:]}*: {_plain(first)}"
        if others:
            yield f"The same verdict: {_listed([where(claim) for claim in others])}."


def _plain(claim: ClaimResult) -> str:
    confounds = [f"{one.field}: " + ", ".join(f"{part.value} {part.verdict}" for part in one.parts)
                 for one in claim.confounds if len(one.parts) > 1]  # fmt: skip
    more = f" Apart by {'; '.join(confounds)}." if confounds else ""
    needs = f" It needs {'; '.join(claim.needs)}." if claim.needs else ""
    return re.sub(r"\s+", " ", f"{claim.sentence}{more}{needs}")


def studies(folder: Path = FINDINGS) -> str:
    """Return the table of the studies."""
    head = ("study", "groups", "runs", "seeds of a group", "draws of the data", "CPU hours")
    return table(
        head,
        (
            (
                f"[{one.name}]({LINK}/{one.name}.tar.xz)",
                *map(str, (one.groups, one.runs, one.least_seeds, one.draws)),
                f"{one.cpu_hours:.1f}",
            )
            for one in _summary(folder).studies
        ),
    )


def levers(folder: Path = FINDINGS) -> str:
    """Return the table of what moves the time to grok."""
    head = ("change", "times as late (95 %)", "held from step", "T_ood / T_train", "held by", "grokked", "at the end")
    return table(head, map(_row, _summary(folder).levers))


def _row(lever: Lever) -> tuple[str, ...]:
    limits = " to ".join("?" if limit is None else f"{limit:.2g}" for limit in (lever.lower, lever.upper))
    return (
        lever.change,
        "" if lever.ratio is None else f"{lever.ratio:.2g} ({limits})",
        "later than half the runs" if lever.median is None else f"{lever.median:,}",
        "" if lever.delay is None else f"{lever.delay:.1f}",
        f"{lever.sustained} of {lever.runs}",
        str(lever.grokked),
        f"{lever.accuracy:.3f}",
    )


def warnings(folder: Path = FINDINGS) -> str:
    """Return in words how good the early warning was."""
    told = _summary(folder).warnings
    share = "" if told.share is None else f", at the median after {told.share:.0%} of the steps"
    return (
        f"Of {told.splits} held-out splits of runs that memorized, {told.sustained} were sustained. "
        f"{told.warned} were called unlikely to grok{share}; "
        f"of these {told.false_alarms} were sustained all the same. "
        f"{told.missed} were never sustained and never warned of within their budgets.\n"
    )
