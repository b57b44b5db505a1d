"""Every kind of fault at every request of every operation of a store, and what must come of it."""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, get_args

from grokcore.errors import AbsentError, DamagedError, DeniedError, GrokcoreError, InputError, TransientError
from grokcore.storage import Store
from tests.faults.proxy import Kind

OLD, NEW = b"old " * 1000, b"newer " * 1000
LARGE = os.urandom(5 << 20) * 2 + b"the last part is a short one"
"""Three parts of the smallest size."""

Outcome = Literal["done", "transient", "input", "denied", "damaged", "absent", "untrue"]
"""How an operation ends: as it should, or with an error of a kind; `untrue` where it believes an answer that lies,
which nobody could tell from a true one."""

ERRORS: dict[Outcome, type[GrokcoreError]] = {
    "transient": TransientError,
    "input": InputError,
    "denied": DeniedError,
    "damaged": DamagedError,
    "absent": AbsentError,
}

ONCE: dict[Kind, Outcome] = dict.fromkeys(get_args(Kind), "done") | {
    "refused": "transient",  # until healed, so that it is no passing fault
    "403": "denied",
    "404": "input",
    "412": "input",
}
ALWAYS: dict[Kind, Outcome] = dict.fromkeys(get_args(Kind), "transient") | {
    "403": "denied",
    "404": "input",
    "412": "input",
}


@dataclass(frozen=True)
class Operation:
    """An operation on a store that holds `runs/1/file` and `runs/10/file`, both OLD, and what may be seen of it.

    Attributes:
        name: as in tests' names.
        act: the operation, on a store behind the proxy; raises AssertionError when its result is wrong.
        partly: what a second client may see when the operation has failed: raises AssertionError otherwise.
        whole: what it must see when the operation is done.
        prepare: what is to be there before, made by a client of its own.
        requests: the requests that faults strike: a name, and a pattern of `METHOD /bucket/key?query`.
        untypical: outcomes, by request, kind and whether the fault stays, other than those of the kind.
    """

    name: str
    act: Callable[[Store, Path], None]
    requests: dict[str, str]
    partly: Callable[[Store], None]
    whole: Callable[[Store], None]
    prepare: Callable[[Store, Path], None] = lambda store, scratch: None
    untypical: dict[tuple[str, Kind, bool], Outcome] = field(default_factory=dict)


@dataclass(frozen=True)
class Case:
    operation: Operation
    request: str
    kind: Kind
    stays: bool

    def __str__(self) -> str:
        return f"{self.operation.name}-{self.request}-{self.kind}-{'always' if self.stays else 'once'}"

    @property
    def outcome(self) -> Outcome:
        usual = (ALWAYS if self.stays else ONCE)[self.kind]
        return self.operation.untypical.get((self.request, self.kind, self.stays), usual)


def either(key: str, *contents: bytes | None) -> Callable[[Store], None]:
    """The file is there with one of the contents, whole, or not at all where None is one; nothing else has changed."""

    def check(store: Store) -> None:
        found = store.find(key)
        content = None if found is None else store.read(key)
        assert content in contents, f"{key} is neither: {content and len(content)} bytes"
        assert {file.key for file in store.files()} - {key} == {"runs/1/file", "runs/10/file"} - {key}
        assert store.read("runs/10/file") == OLD

    return check


def unchanged(store: Store) -> None:
    either("runs/1/file", OLD)(store)


def same(value: Any, expected: Any) -> None:
    assert value == expected


def _read(store: Store, scratch: Path) -> None:
    assert store.read("runs/1/file") == OLD


def _download(store: Store, scratch: Path) -> None:
    target = scratch / "copy"
    target.write_bytes(b"before")
    try:
        store.download("runs/1/file", target)
    except GrokcoreError:
        assert target.read_bytes() == b"before"
        raise
    finally:
        assert [path.name for path in scratch.iterdir()] == ["copy"]
    assert target.read_bytes() == OLD


def _write(store: Store, scratch: Path) -> None:
    store.write("runs/1/file", NEW)


def _write_new(store: Store, scratch: Path) -> None:
    assert store.write_new("runs/1/new", NEW), "nobody else has written it"


def _write_new_in_vain(store: Store, scratch: Path) -> None:
    assert not store.write_new("runs/1/file", OLD), "it was there"


def _upload(store: Store, scratch: Path) -> None:
    source = scratch / "source"
    source.write_bytes(NEW)
    try:
        store.upload(source, "runs/1/file", move=True)
    except GrokcoreError:
        assert source.read_bytes() == NEW, "what is not stored is not thrown away"
        raise
    assert not source.exists()


def _upload_parts(store: Store, scratch: Path) -> None:
    source = scratch / "source"
    source.write_bytes(LARGE)
    store.upload(source, "runs/1/large")


def _find(store: Store, scratch: Path) -> None:
    found = store.find("runs/1/file")
    assert found is not None, "it is there"
    assert found.size == len(OLD)


def _find_nothing(store: Store, scratch: Path) -> None:
    assert store.find("runs/1/nothing") is None


def _files(store: Store, scratch: Path) -> None:
    assert [file.key for file in store.files("runs")] == ["runs/1/file", "runs/10/file"]


def _delete(store: Store, scratch: Path) -> None:
    store.delete("runs/1/file")


def _delete_all(store: Store, scratch: Path) -> None:
    store.child("runs/1").delete_all()


def _begin_an_upload(store: Store, scratch: Path) -> None:
    connection, bucket = store._connection, store._bucket  # type: ignore[attr-defined]
    connection.client.create_multipart_upload(Bucket=bucket, Key=store._object("runs/1/file")["Key"])  # type: ignore[attr-defined]


def _leftovers(store: Store, scratch: Path) -> None:
    assert len(store.leftovers()) == 1


def _remove_leftovers(store: Store, scratch: Path) -> None:
    store.remove_leftovers(store.leftovers())


def _one_leftover(store: Store) -> None:
    unchanged(store)
    assert len(store.leftovers()) <= 1


def _no_leftover(store: Store) -> None:
    unchanged(store)
    assert store.leftovers() == []


def outcomes(**by_request: dict[Kind, Outcome | tuple[Outcome, Outcome]]) -> dict[tuple[str, Kind, bool], Outcome]:
    """By request and kind: the outcome, or that of a passing fault and that of one that stays."""
    return {
        (request, kind, stays): outcome if isinstance(outcome, str) else outcome[stays]
        for request, of_kinds in by_request.items()
        for kind, outcome in of_kinds.items()
        for stays in (False, True)
    }


_READ: dict[Kind, Outcome | tuple[Outcome, Outcome]] = {"404": "absent", "damaged answer": ("done", "damaged")}
_STATUS_CAME: dict[Kind, Outcome | tuple[Outcome, Outcome]] = {"cut off": "done"}
"""Of requests whose answer says all in its first line, which arrives."""
_WORKED_BEFORE: dict[Kind, Outcome | tuple[Outcome, Outcome]] = {"403": "transient"}
"""Of requests that follow on others with the same right."""
_ONLY_THE_ANSWER_WAS_LOST: dict[Kind, Outcome | tuple[Outcome, Outcome]] = {
    "lost answer": "done",
    "silent after": "done",
    "silent in answer": "done",
    "reset in answer": "done",
    "cut off": "done",
}
"""Of requests after which a look at what is there tells that they were carried out."""
_GONE_IS_GONE: dict[Kind, Outcome | tuple[Outcome, Outcome]] = {"404": "untrue", "cut off": "done"}

OPERATIONS = [
    Operation("read", _read, {"get": "GET .*/file"}, unchanged, unchanged, untypical=outcomes(get=_READ)),
    Operation("download", _download, {"get": "GET .*/file"}, unchanged, unchanged, untypical=outcomes(get=_READ)),
    Operation(
        "write",
        _write,
        {"put": "PUT .*/file"},
        partly=either("runs/1/file", OLD, NEW),
        whole=either("runs/1/file", NEW),
        untypical=outcomes(put=_STATUS_CAME),
    ),
    Operation(
        "write_new",
        _write_new,
        {"put": "PUT .*/new"},
        partly=either("runs/1/new", NEW, None),
        whole=either("runs/1/new", NEW),
        untypical=outcomes(put=_ONLY_THE_ANSWER_WAS_LOST | {"412": ("done", "transient")}),
    ),
    Operation(
        "write_new_in_vain",
        _write_new_in_vain,
        {"put": "PUT .*/file", "head": "HEAD .*/file"},
        unchanged,
        unchanged,
        untypical=outcomes(put={"412": "done", "cut off": "done"}, head={"404": ("done", "transient")}),
    ),
    Operation(
        "upload",
        _upload,
        {"put": "PUT .*/file", "head": "HEAD .*/file"},
        partly=either("runs/1/file", OLD, NEW),
        whole=either("runs/1/file", NEW),
        untypical=outcomes(put=_ONLY_THE_ANSWER_WAS_LOST, head={"404": "transient"}),
    ),
    Operation(
        "upload_parts",
        _upload_parts,
        {
            "begin": "POST .*/large.uploads",
            "part": "PUT .*/large.*partNumber=2",
            "complete": "POST .*/large.uploadId",
            "head": "HEAD .*/large",
        },
        partly=either("runs/1/large", LARGE, None),
        whole=either("runs/1/large", LARGE),
        untypical=outcomes(
            part=_STATUS_CAME | _WORKED_BEFORE,
            complete=_ONLY_THE_ANSWER_WAS_LOST | _WORKED_BEFORE | {"404": "transient"},
            head={"404": "transient"},
        ),
    ),
    Operation(
        "find", _find, {"head": "HEAD .*/file"}, unchanged, unchanged, untypical=outcomes(head={"404": "untrue"})
    ),
    Operation(
        "find_nothing",
        _find_nothing,
        {"head": "HEAD .*/nothing", "bucket": "HEAD /[^/]*$"},
        unchanged,
        unchanged,
        untypical=outcomes(head={"404": "done", "cut off": "done"}, bucket={"403": "done", "cut off": "done"}),
    ),
    Operation("files", _files, {"list": "GET .*list-type=2"}, unchanged, unchanged),
    Operation(
        "delete",
        _delete,
        {"delete": "DELETE .*/file"},
        partly=either("runs/1/file", OLD, None),
        whole=either("runs/1/file", None),
        untypical=outcomes(delete=_GONE_IS_GONE),
    ),
    Operation(
        "delete_all",
        _delete_all,
        {"list": "GET .*list-type=2", "delete": "POST .*delete"},
        partly=either("runs/1/file", OLD, None),
        whole=either("runs/1/file", None),
        untypical=outcomes(delete={"damaged request": "done"}),
    ),
    Operation("leftovers", _leftovers, {"list": "GET .*uploads"}, _one_leftover, _one_leftover, _begin_an_upload),
    Operation(
        "remove_leftovers",
        _remove_leftovers,
        {"list": "GET .*uploads", "abort": "DELETE .*uploadId"},
        _one_leftover,
        _no_leftover,
        _begin_an_upload,
        untypical=outcomes(abort=_GONE_IS_GONE),
    ),
]

_NO_BODY_TO_BREAK = {"reset in request", "damaged request"}
"""Kinds that need a request with a body, which those of GET, HEAD and DELETE have not."""


def _can_strike(kind: Kind, request: str) -> bool:
    method = request.split(" ")[0]
    if kind in _NO_BODY_TO_BREAK:
        return method == "PUT" or request.startswith(("POST .*delete", "POST .*/large.uploadId"))
    # a bit of a listing that is another one is for TLS to find: the protocol has no checksum of it
    return kind != "damaged answer" or request == "GET .*/file"


CASES = [
    Case(operation, request, kind, stays)
    for operation in OPERATIONS
    for request, pattern in operation.requests.items()
    for kind in get_args(Kind)
    for stays in (False, True)
    if _can_strike(kind, pattern) and (stays or kind != "refused")
]


def _is_among_some(case: Case) -> bool:
    """Whether a case is one of the few: three kinds for each request, others for the next, passing or not in turn."""
    requests = [(operation.name, request) for operation in OPERATIONS for request in operation.requests]
    kinds = list(get_args(Kind))
    place, kind = requests.index((case.operation.name, case.request)), kinds.index(case.kind)
    stays = (place + kind) % 2 == 0 and "silent" not in case.kind  # that would take three time limits
    return (kind + place - 10) % len(kinds) < 3 and case.stays == (stays or case.kind == "refused")


_WORTH_EVERY_RUN = {
    "write_new-put-lost answer-always",
    "upload-put-lost answer-always",
    "upload_parts-complete-lost answer-always",
}
"""What nothing but a look at the store can tell from a failure."""

SOME_CASES = [case for case in CASES if _is_among_some(case) or str(case) in _WORTH_EVERY_RUN]
"""Each operation and each kind, though not each with each."""
