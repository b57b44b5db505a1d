"""Read the files of the public code of arXiv 2405.15071, as `grokcore.data.formats` describes them, into a dataset.

Its notebooks write them with small differences, which are all read: `composition.ipynb` gives no types to the rows of
train.json and valid.json, and `complex_reasoning.ipynb` closes a question by `</q><a>`, of which `<a>` stands in the
target alone, and tests values (`ood_atomic`) that no row of training states.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from grokcore.data.formats import REFERENCE_FILES
from grokcore.documents.checks import MOST_BYTES
from grokcore.errors import InputError
from grokcore.spec.tasks import GrokkedTransformerTask
from grokcore.storage import Store, open_store
from grokcore.tasks import Role, Rows, Split, TaskData
from grokcore.tasks.base import EOS

MOST_TOKENS = 1024
"""Tokens of the longest question that is read."""
_UNTYPED_PROBES = 3000
"""Probes of a training split of which test.json has none: the size that the public notebooks draw."""

_TOKEN = re.compile(r"<[^<>]+>")
_KINDS = re.compile(r"<(?:(?P<kind>e|r)_.*|(?P<number>\d+))>")
_TRAINING = ("id_atomic", "ood_atomic", "identity", "augmented_atomic", "augmented_inferred")
_CONTINUED = ("old", "new_old", "old_new", "new_new")
_ALLOWED = f"train..., test..., {', '.join((*_TRAINING, *_CONTINUED))}"


class _Row(NamedTuple):
    question: tuple[int, ...]
    answer: int


class _Table(NamedTuple):
    """The rows of a file in its order, and the type of each; None for one without."""

    rows: list[_Row]
    types: list[str | None]


def is_reference(uri: str | Path) -> bool:
    """Whether a place holds such files rather than being a file of facts."""
    store = open_store(uri)
    return any(store.find(name) is not None for name in REFERENCE_FILES) or (
        store.directory is not None and store.directory.is_dir()
    )


def read_reference(uri: str | Path) -> tuple[GrokkedTransformerTask, TaskData]:
    """Return the task that the files at a place state, and its data.

    Types keep their names as splits: those in train.json are trained on, others that begin with `test` are held out,
    and what is left, such as the values of complex_reasoning that training never states, is only observed. The
    held-out split of valid.json is the last, which a run is about. Probes are the rows of test.json.

    Args:
        uri: a directory or a prefix on object storage.

    Raises:
        InputError: in one line, what is wrong with which file.
        TransientError: the store could not be reached.
    """
    store = open_store(uri)
    for name in REFERENCE_FILES:
        found = store.find(name)
        if found is None:
            raise InputError(f"{store} has no {name}: the files of a dataset are {', '.join(REFERENCE_FILES)}")
        if found.size > MOST_BYTES["JSON"]:
            raise InputError(f"{store.uri_of(name)} has {found.size:,} bytes: up to {MOST_BYTES['JSON']:,} are read")
    vocabulary = _vocabulary(store)
    ids = {token: number for number, token in enumerate(vocabulary)}
    train, valid, test = (_table(store, name, ids) for name in ("train.json", "valid.json", "test.json"))
    probes = _by_type(test, store.uri_of("test.json"))
    training = _by_type(_typed(train, probes, store.uri_of("train.json")), store.uri_of("train.json"))
    roles = {name: _role(name, name in training, store) for name in dict.fromkeys((*training, *probes))}
    held_out = [name for name, role in roles.items() if role == "held_out"]
    if not held_out:
        raise InputError(f"{store.uri_of('test.json')} has no held-out rows: their types begin with test")
    _check_leaks(training, probes, roles, store)
    target = _target(valid, probes, held_out, store.uri_of("valid.json"))
    held_out = [*(name for name in held_out if name != target), target]
    others = {name: role for name, role in roles.items() if role != "held_out"}
    data = _data(vocabulary, training, probes, {**others, **dict.fromkeys(held_out, "held_out")})
    return GrokkedTransformerTask(rows=rows_digest(data), held_out=tuple(held_out)), data


def _vocabulary(store: Store) -> tuple[str, ...]:
    place, tokens = store.uri_of("vocab.json"), store.read_json("vocab.json")
    if not isinstance(tokens, list) or not all(isinstance(token, str) for token in tokens):
        raise InputError(f"{place} is not a JSON list of tokens")
    wrong = next((token for token in tokens if not _TOKEN.fullmatch(token) or not token.isprintable()), None)
    if wrong is not None:
        raise InputError(f"{place} has the token {wrong[:60]!r}: a token stands between < and >, without either inside")
    twice = next((token for token, count in Counter(tokens).items() if count > 1), None)
    if twice is not None:
        raise InputError(f"{place} has the token {twice[:60]!r} twice")
    if EOS not in tokens:
        raise InputError(f"{place} has no {EOS}, which closes an answer")
    return tuple(tokens)


def _table(store: Store, name: str, ids: dict[str, int]) -> _Table:
    place, items = store.uri_of(name), store.read_json(name)
    if not isinstance(items, list) or not items:
        raise InputError(f"{place} is not a JSON list of rows")
    table = _Table([], [])
    for number, item in enumerate(items, 1):
        try:
            table.rows.append(_row(item, ids))
            table.types.append(_type(item))
        except InputError as error:
            raise InputError(f"row {number} of {place} {error}") from None
    return table


def _row(item: Any, ids: dict[str, int]) -> _Row:
    given = [item.get(name) if isinstance(item, dict) else None for name in ("input_text", "target_text")]
    texts = [text for text in given if isinstance(text, str)]
    if len(texts) < 2:
        raise InputError("has no texts input_text and target_text")
    question, target = ([*_TOKEN.findall(text)] for text in texts)
    for text, tokens in zip(texts, (question, target), strict=True):
        if "".join(tokens) != text:
            raise InputError(f"is not made of tokens between < and >: {text[:80]!r}")
    unknown = next((token for token in target if token not in ids), None)
    if unknown is not None:
        raise InputError(f"has the token {unknown[:60]!r}, which vocab.json has not")
    if not question or target[: len(question)] != question or len(target) < len(question) + 2 or target[-1] != EOS:
        raise InputError(f"has a target that is not input_text, an answer and {EOS}: {texts[1][:80]!r}")
    if len(target) > MOST_TOKENS:
        raise InputError(f"has {len(target)} tokens: up to {MOST_TOKENS} are read")
    codes = [ids[token] for token in target]
    return _Row(tuple(codes[:-2]), codes[-2])


def _type(item: dict[str, Any]) -> str | None:
    if "type" not in item:
        return None
    name = item["type"]
    known = isinstance(name, str) and re.fullmatch("[a-z][a-z0-9_]{0,63}", name) is not None
    if not known or not (name.startswith(("train", "test", "told")) or name in (*_TRAINING, *_CONTINUED)):
        raise InputError(f"has the unknown type {str(name)[:60]!r}: known are {_ALLOWED}")
    return str(name)


def _typed(train: _Table, probes: dict[str, list[_Row]], place: str) -> _Table:
    """Give types to rows of training that have none: that of the same row in test.json, else by the question's length.

    Where two training types have questions of one length, test.json has all rows of the one that it has fewer rows of
    (the notebooks draw as many rows of each type, or take all), so that a further row is of the other.
    """
    if None not in train.types:
        return train
    known = {row: name for name, rows in probes.items() if not name.startswith("test") for row in rows}
    lengths: dict[int, Counter[str]] = {}
    for row, kind in known.items():
        lengths.setdefault(len(row.question), Counter())[kind] += 1
    types: list[str | None] = []
    for number, (row, given) in enumerate(zip(train.rows, train.types, strict=True), 1):
        name: str | None = given or known.get(row)
        if name is None:
            most = lengths.get(len(row.question), Counter[str]()).most_common(2)
            if not most or (len(most) == 2 and most[0][1] == most[1][1]):
                raise InputError(f"row {number} of {place} has no type, and test.json does not tell it: add a type")
            name = most[0][0]
        types.append(name)
    return _Table(train.rows, types)


def _by_type(table: _Table, place: str) -> dict[str, list[_Row]]:
    found: dict[str, list[_Row]] = {}
    for number, (row, name) in enumerate(zip(table.rows, table.types, strict=True), 1):
        if name is None:
            raise InputError(f"row {number} of {place} has no type, which names its split")
        found.setdefault(name, []).append(row)
    answers: dict[tuple[int, ...], int] = {}
    for name, rows in found.items():
        twice = len(rows) - len({row.question for row in rows})
        if twice:
            raise InputError(f"{place} asks {twice:,} of its {len(rows):,} questions of type {name} more than once")
        if any(answers.setdefault(row.question, row.answer) != row.answer for row in rows):
            raise InputError(f"{place} contradicts itself: a question of type {name} has two answers")
    return found


def _role(name: str, trained: bool, store: Store) -> Role:
    is_test = name.startswith("test") or name in _CONTINUED
    if trained and is_test:
        raise InputError(f"{store.uri_of('train.json')} has rows of type {name}, which is held out")
    return "train" if trained else "held_out" if is_test else "diagnostic"


def _check_leaks(
    training: dict[str, list[_Row]], probes: dict[str, list[_Row]], roles: dict[str, Role], store: Store
) -> None:
    asked = {row.question for rows in training.values() for row in rows}
    for name, rows in probes.items():
        if roles[name] == "train":
            absent = len(rows) - len(set(rows).intersection(training[name]))
            if absent:
                raise InputError(
                    f"{store.uri_of('test.json')} has {absent:,} of {len(rows):,} rows of type {name} that train.json "
                    f"has not, though it has others of this type"
                )
            continue
        shared = sum(row.question in asked for row in rows)
        if shared:
            raise InputError(
                f"{store} leaks: training has {shared:,} of the {len(rows):,} questions of {name} in test.json"
            )


def _target(valid: _Table, probes: dict[str, list[_Row]], held_out: Sequence[str], place: str) -> str:
    """Return the held-out split whose probes valid.json has."""
    rows = set(valid.rows)
    shares = {name: len(rows.intersection(probes[name])) for name in held_out}
    best = max(held_out, key=lambda name: shares[name])
    if shares[best] < len(rows):
        raise InputError(
            f"{place} has {len(rows) - shares[best]:,} of {len(rows):,} rows that test.json does not have as one "
            f"held-out type: it holds the probes of the split that a run is about"
        )
    return best


def _data(
    vocabulary: tuple[str, ...],
    training: dict[str, list[_Row]],
    probes: dict[str, list[_Row]],
    roles: dict[str, Role],
) -> TaskData:
    everything = [row for rows in (*training.values(), *probes.values()) for row in rows]
    width = max(len(row.question) for row in everything)
    answers: dict[tuple[str, ...], set[int]] = {}
    for row in everything:
        answers.setdefault(_form(row, vocabulary), set()).add(row.answer)

    def arrays(rows: Sequence[_Row]) -> Rows:
        tokens = np.zeros((len(rows), width), np.int32)
        for number, row in enumerate(rows):
            tokens[number, : len(row.question)] = row.question
        lengths = np.array([len(row.question) for row in rows], np.int32)
        return Rows(tokens, lengths, np.array([row.answer for row in rows], np.int32))

    def split(name: str) -> Split:
        rows, counts = training.get(name) or probes[name], dict[tuple[str, ...], Counter[int]]()
        for row in rows:
            counts.setdefault(_form(row, vocabulary), Counter())[row.answer] += 1
        majority = sum(max(count.values()) for count in counts.values()) / len(rows)
        chance = sum(count.total() / len(answers[form]) for form, count in counts.items()) / len(rows)
        return Split(roles[name], len(rows), majority, min(1.0, chance))

    begin = vocabulary.index("<q>") if "<q>" in vocabulary else None
    starts = {row.question[:2] for rows in training.values() for row in rows if len(row.question) > 2}
    return TaskData(
        vocabulary,
        vocabulary.index(EOS),
        prefixes=tuple(sorted(start for start in starts if start[1] == begin)),
        train={name: arrays(rows) for name, rows in training.items()},
        probes={name: arrays(probes.get(name) or training[name][:_UNTYPED_PROBES]) for name in roles},
        splits={name: split(name) for name in roles},
    )


def _form(row: _Row, vocabulary: Sequence[str]) -> tuple[str, ...]:
    """The form of a question: its tokens, entities, relations and numbers by their kind alone, attributes in full."""
    found = ((vocabulary[token], _KINDS.fullmatch(vocabulary[token])) for token in row.question)
    return tuple(token if kind is None else kind["kind"] or "number" for token, kind in found)


def rows_digest(data: TaskData) -> str:
    """SHA-256 of vocabulary, splits and rows, however the files were formatted."""
    digest = hashlib.sha256(json.dumps(data.vocabulary).encode())
    for part in (data.train, data.probes):
        for name, rows in part.items():
            digest.update(f"\n{name} {data.splits[name].role} {len(rows)} {rows.tokens.shape[1]}\n".encode())
            for array in (rows.lengths, rows.tokens, rows.answers):
                digest.update(np.ascontiguousarray(array, "<i4").tobytes())
    return digest.hexdigest()
