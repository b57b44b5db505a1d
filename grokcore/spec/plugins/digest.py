"""Digests of source: of an installed package, or of what was defined in a notebook."""

from __future__ import annotations

import hashlib
import inspect
import re
import textwrap
from collections.abc import Iterator
from contextlib import suppress
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

from pydantic import BaseModel

from grokcore.errors import InputError

_ADDRESS = re.compile(r" at 0x[0-9a-f]+")


@cache
def package_digest(module: str) -> str:
    """SHA-256 of all files of the package that `module` lies in, but for what Python has compiled of them.

    That is the outermost package with an `__init__.py`, or a single file. The digest does not depend on where the
    package lies, nor on how it was installed. It is taken once in a process: of the code that the process runs.

    Raises:
        InputError: there is no such package.
    """
    digest = hashlib.sha256()
    for name, path in _files(module):
        digest.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return digest.hexdigest()


def _files(module: str) -> Iterator[tuple[str, Path]]:
    parts = module.split(".")
    for depth in range(1, len(parts) + 1):
        try:
            found = find_spec(".".join(parts[:depth]))
        except (ImportError, ValueError):
            found = None
        if found is None:
            break
        if found.origin is None:  # a namespace, which several distributions may share
            continue
        origin = Path(found.origin)
        if found.submodule_search_locations is None:
            yield origin.name, origin
            return
        folder = origin.parent
        files = (path for path in folder.rglob("*") if path.is_file() and "__pycache__" not in path.parts)
        yield from sorted((path.relative_to(folder).as_posix(), path) for path in files)
        return
    raise InputError(f"there is no module {module}")


def definition_digest(*defined: Any) -> str:
    """SHA-256 of the source of functions and classes, and of what of their own module these name, in turn.

    Raises:
        InputError: the source of a function is not known, as of one that was typed into the plain interpreter.
    """
    digest, seen = hashlib.sha256(), set[int]()
    waiting = list(defined)
    while waiting:
        one = waiting.pop(0)
        if id(one) in seen:
            continue
        seen.add(id(one))
        for text, named in _described(one):
            digest.update(f"{text}\0".encode())
            waiting += named
    return digest.hexdigest()


def _described(one: Any) -> Iterator[tuple[str, list[Any]]]:
    """The texts that say what something is, each with what it refers to."""
    if isinstance(one, FunctionType):
        function = inspect.unwrap(one)
        yield _source(function), [*_named(function.__code__, function), *_captured(function)]
    elif isinstance(one, type):
        yield f"{one.__name__}({', '.join(base.__name__ for base in one.__bases__)})", []
        if issubclass(one, BaseModel):
            fields = one.model_fields
            # pydantic writes a validator as its address in memory, another one in every process
            yield repr({name: _ADDRESS.sub("", repr(field)) for name, field in fields.items()}), []
            functions = (getattr(part, "func", None) for field in fields.values() for part in field.metadata)
            yield "validators", [one for one in functions if isinstance(one, FunctionType)]
        for name, value in sorted(vars(one).items()):
            value = getattr(value, "__func__", getattr(value, "fget", getattr(value, "wrapped", value)))
            if isinstance(value, FunctionType) and value.__module__ == one.__module__:
                yield from _described(value)
            elif not name.startswith("_") and _is_constant(value):
                yield f"{name}={_written(value)}", []
    else:
        yield _written(one), []


def _written(constant: Any) -> str:
    """A constant as text that is the same in every process, whose sets have orders of their own."""
    if isinstance(constant, set | frozenset):
        return f"{type(constant).__name__}({sorted(map(_written, constant))})"
    if isinstance(constant, dict):
        return f"dict({', '.join(f'{_written(key)}: {_written(value)}' for key, value in constant.items())})"
    if isinstance(constant, tuple | list):
        return f"{type(constant).__name__}({', '.join(map(_written, constant))})"
    return repr(constant)


def _source(function: FunctionType) -> str:
    try:
        return textwrap.dedent(inspect.getsource(function))
    except (OSError, TypeError):
        raise InputError(
            f"the source of {function.__qualname__} is not known, so that no id could cover it: define it in a file or "
            "in the cell of a notebook"
        ) from None


def _named(code: CodeType, function: FunctionType) -> Iterator[Any]:
    """What a function names of its own module: functions, classes and constants."""
    for name in code.co_names:
        value = function.__globals__.get(name)
        own = isinstance(value, FunctionType | type) and value.__module__ == function.__module__
        if own or (value is not None and _is_constant(value)):
            yield value
    for inner in code.co_consts:
        if isinstance(inner, CodeType):
            yield from _named(inner, function)


def _captured(function: FunctionType) -> Iterator[Any]:
    """What a function took along when it was defined: values of defaults, and variables of functions around it."""
    defaults = (*(function.__defaults__ or ()), *(function.__kwdefaults__ or {}).values())
    for value in (*defaults, *_contents(function)):
        if _is_constant(value) or (isinstance(value, FunctionType | type) and value.__module__ == function.__module__):
            yield value


def _contents(function: FunctionType) -> Iterator[Any]:
    for cell in function.__closure__ or ():
        with suppress(ValueError):  # a variable that has no value yet
            yield cell.cell_contents


def _is_constant(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_is_constant(key) and _is_constant(part) for key, part in value.items())
    if isinstance(value, tuple | frozenset | set | list):
        return all(map(_is_constant, value))
    return isinstance(value, bool | int | float | str | bytes | None)
