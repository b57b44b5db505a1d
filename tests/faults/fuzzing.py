"""Input as nobody would write it: random text and values, and files that were changed at random places."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from grokcore.errors import EXIT_BAD_INPUT, GrokcoreError

NUMBERS = st.one_of(
    st.integers(-3, 300),
    st.sampled_from([2**31, 2**53 + 1, 2**63, 2**64, -(2**63) - 1, 10**40, 10**400, -(10**400)]),
    st.floats(),
    st.sampled_from([1e308, -1e308, 5e-324, -0.0, 10**11, 2**63 - 1]),
)
_AMBIGUOUS = (
    "yes no on off y n true False True null ~ none 010 -07 0x1F 0o17 1_000 1:30 190:20:30 2024 2001-01-01 "
    "1e4 1E3 1e400 .5 5. +3 -0 .inf .nan nan inf 1e999999999 9223372036854775808 100000000000 "
    "- * + / = << & ! | > % @ ` ? : # '' \"\""
)
WORDS = st.sampled_from(_AMBIGUOUS.split())
"""What YAML, shells and people read in more than one way."""
TEXTS = st.one_of(
    st.text(max_size=20),
    st.sampled_from(["", " ", "gpt2", "mamba", "comparison", "../../etc/passwd", "\x00", "\ud800", "é" * 300, "1e400"]),
    st.sampled_from(["\U0001f600", "\ud83d", "a\ude00\ud83d", "{{$.inputs.parameters['x']}}", "{{$}}", "on", "010"]),
)
SCALARS = st.one_of(st.none(), st.booleans(), NUMBERS, TEXTS)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXTS, inner, max_size=3)),
    max_leaves=6,
)


@st.composite
def mutations(draw: st.DrawFn, document: Any, most: int = 3) -> Any:
    """`document` with some of its values replaced, exchanged, renamed, or left out."""
    changed = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, most))):
        holders = list(_holders(changed))
        if not holders:
            return draw(VALUES)
        holder = draw(st.sampled_from(holders))
        place = draw(st.sampled_from(list(holder) if isinstance(holder, dict) else range(len(holder))))
        match draw(st.sampled_from(["replace", "replace", "neighbor", "drop", "rename", "add", "number"])):
            case "replace":
                holder[place] = draw(VALUES)
            case "number":
                holder[place] = draw(NUMBERS)
            case "neighbor":
                other = draw(st.sampled_from(holders))
                keys = list(other) if isinstance(other, dict) else list(range(len(other)))
                holder[place] = copy.deepcopy(other[draw(st.sampled_from(keys))])
            case "drop":
                del holder[place]
            case "rename" if isinstance(holder, dict):
                holder[draw(TEXTS)] = holder.pop(place)
            case _ if isinstance(holder, dict):
                holder[draw(TEXTS)] = draw(VALUES)
            case _:
                holder.insert(place, draw(VALUES))
    return changed


def _holders(value: Any) -> Any:
    """All mappings and lists in a document that hold something."""
    if isinstance(value, dict | list) and value:
        yield value
        for item in value.values() if isinstance(value, dict) else value:
            yield from _holders(item)


@st.composite
def damages(draw: st.DrawFn, content: bytes, most: int = 3) -> bytes:
    """`content` with some of its bytes flipped, overwritten, cut out, or cut off."""
    for _ in range(draw(st.integers(1, most))):
        place = draw(st.integers(0, max(0, len(content) - 1)))
        match draw(st.sampled_from(["flip", "flip", "truncate", "cut", "insert", "double"])):
            case "flip" if content:
                flipped = bytes([content[place] ^ (1 << draw(st.integers(0, 7)))])
                content = content[:place] + flipped + content[place + 1 :]
            case "truncate":
                content = content[:place]
            case "cut":
                content = content[:place] + content[place + draw(st.integers(1, 64)) :]
            case "double":
                content = content[:place] + content[place : place + 64] * 2 + content[place + 64 :]
            case _:
                content = content[:place] + draw(st.binary(max_size=16)) + content[place:]
    return content


def documents(document: Any) -> st.SearchStrategy[bytes]:
    """A JSON file that began as `document`."""
    text = json.dumps(document, indent=1).encode()
    mutated = mutations(document).map(lambda value: json.dumps(value).encode())
    return st.one_of(mutated, mutated, mutated, damages(text), st.binary(max_size=40))


def ends_well(work: Callable[[], object]) -> bool:
    """Do the work. Whether it succeeded; the only other end it may have is one line about bad input."""
    try:
        work()
    except GrokcoreError as error:
        failure = error
    else:
        return True
    line = str(failure)
    assert len(line.splitlines()) == 1, line
    assert len(line) < 1000, f"{len(line)} characters are no line that a person reads"
    assert failure.exit_code == EXIT_BAD_INPUT, repr(failure)
    return False


@st.composite
def doubled(draw: st.DrawFn, document: Any) -> str:
    """The JSON of `document` in which one mapping has one of its keys twice."""
    chosen = draw(st.sampled_from([holder for holder in _holders(document) if isinstance(holder, dict)]))
    key = draw(st.sampled_from(sorted(chosen)))

    def written(value: Any) -> str:
        if isinstance(value, dict):
            pairs = [f"{json.dumps(name)}: {written(item)}" for name, item in value.items()]
            if value is chosen:
                other = json.dumps(draw(st.sampled_from([value[key], 1])))
                pairs.insert(draw(st.integers(0, len(pairs))), f"{json.dumps(key)}: {other}")
            return "{" + draw(st.sampled_from([", ", ",\n "])).join(pairs) + "}"
        return "[" + ", ".join(map(written, value)) + "]" if isinstance(value, list) else json.dumps(value)

    return written(document)


def near_uris() -> st.SearchStrategy[str | Path]:
    """What somebody writes, or a library makes, of the URI of a place in object storage or elsewhere."""
    schemes = st.sampled_from(["s3", "S3", "s3a", "s3n", "file", "FILE", "gs", "http", "https", "hdfs", "az"])
    marks = st.sampled_from([":", ":/", "://", ":///", "//", ";//", ": //"])
    texts = st.tuples(schemes, marks, st.sampled_from(["bucket/x", "bucket", "b/x/y"])).map("".join)
    return st.one_of(texts, texts.map(Path)).filter(lambda uri: not _is_a_place(str(uri)))


def _is_a_place(uri: str) -> bool:
    """Whether a text is a URI of ours, or plainly a path, which only `s3//` and `file//` are not."""
    return re.match(r"s3://[^/]|file://|(?!s3|file)[a-z]+//|[a-zA-Z0-9]+/[^/]", uri) is not None
