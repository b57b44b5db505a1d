"""Read facts from the evidences of multi-hop questions, as 2WikiMultiHopQA has them (Ho et al., arXiv 2011.01060).

Its files are one JSON list of questions, each of which names the triples that it follows from, and other fields:

    {"_id": ..., "question": ..., "evidences": [["Polish-Russian War", "director", "Xawery Zulawski"], ...]}

Objects that are dates are values to compare, all others entities to go on from.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import pyarrow as pa

from grokcore.documents import decode_json
from grokcore.errors import InputError
from grokcore.tasks import FactKind

_MONTHS = (
    *("january", "february", "march", "april", "may", "june"),
    *("july", "august", "september", "october", "november", "december"),
)
_DAY_FIRST = re.compile(r"(\d{1,2}) ([A-Za-z]+),? (\d{3,4})")
_MONTH_FIRST = re.compile(r"([A-Za-z]+) (\d{1,2}),? (\d{3,4})")
_WITHOUT_DAY = re.compile(rf"(?:(?:{'|'.join(_MONTHS)}) )?\d{{3,4}}", re.IGNORECASE)


def read_evidences(path: Path, kind: FactKind, place: str) -> pa.Table:
    """Return the facts of one kind that the questions of a file name, each once, as three columns of text.

    A subject with several objects of one relation (a film with two directors) has no one answer: such facts are left
    out. So are dates without a day, which have no order among dates.

    Args:
        kind: `attributes` keeps the dates, written YYYY-MM-DD, `relations` all other objects.
        place: of the file, for messages.

    Raises:
        InputError: the file is not a JSON list of questions with evidences, or none of them is of this kind.
    """
    objects: dict[tuple[str, str], set[str]] = {}
    for subject, relation, written in _triples(path, place):
        value = _day(written)
        if kind == "attributes" and value is not None:
            objects.setdefault((subject, relation), set()).add(value)
        elif kind == "relations" and value is None and not _WITHOUT_DAY.fullmatch(written):
            objects.setdefault((subject, relation), set()).add(written)
    facts = [(*key, *found) for key, found in objects.items() if len(found) == 1]
    if not facts:
        wanted = "a date" if kind == "attributes" else "an entity"
        raise InputError(f"{place} has no evidence that leads to {wanted}, and to one alone")
    return pa.table([pa.array(column, pa.string()) for column in zip(*facts, strict=True)], ["s", "r", "o"])


def _triples(path: Path, place: str) -> Iterator[tuple[str, str, str]]:
    try:
        questions: Any = decode_json(path.read_bytes())
    except (ValueError, RecursionError) as error:
        raise InputError(f"{place} is not a JSON file that can be read: {str(error)[:200]}") from None
    if not isinstance(questions, list):
        raise InputError(f"{place} is not a JSON list of questions")
    for number, question in enumerate(questions, 1):
        evidences = question.get("evidences") if isinstance(question, dict) else None
        if not isinstance(evidences, list):
            raise InputError(f"question {number} of {place} has no list `evidences`")
        for triple in evidences:
            if not isinstance(triple, list) or len(triple) != 3 or not all(isinstance(name, str) for name in triple):
                raise InputError(
                    f"question {number} of {place} has an evidence that is not three names: {str(triple)[:80]}"
                )
            subject, relation, written = (name.strip() for name in triple)
            yield subject, relation, written


def _day(written: str) -> str | None:
    """Return `5 March 1990` or `March 5, 1990` as 1990-03-05; None if it is no day."""
    if found := _DAY_FIRST.fullmatch(written):
        day, month, year = found.groups()
    elif found := _MONTH_FIRST.fullmatch(written):
        month, day, year = found.groups()
    else:
        day, month, year = "", "", ""
    try:
        if not month:
            return date.fromisoformat(written).isoformat()
        return date(int(year), _MONTHS.index(month.lower()) + 1, int(day)).isoformat()
    except ValueError:
        return None
