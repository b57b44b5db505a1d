"""What somebody else has written costs no more to read than it is worth: no memory, no depth, no waiting."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from grokcore.champions import parse_rules
from grokcore.cli import main
from grokcore.cluster.kubeflow.package import parse_package
from grokcore.documents import decode_json, parse_generated_yaml, parse_json, parse_plain_yaml, parse_yaml
from grokcore.errors import InputError
from grokcore.evaluation.records import read_records
from grokcore.runs import read_journal, read_manifest
from grokcore.spec import load_spec, load_task, read_spec
from grokcore.storage import open_store, read_json
from grokcore.sweeps import load_sweep
from tests.faults.dying import in_child

ROW = "texts that stand for more than can be read"
ROOM, SECONDS = 10**9, 60

LEVELS = [f"l{level}: &l{level} [{', '.join([f'*l{level - 1}'] * 20)}]" for level in range(1, 20)]
LAUGHS = "\n".join(["l0: &l0 [lol, lol]", *LEVELS])
MERGED = "\n".join(
    ["m0: &m0 {a: 1}", *(f"m{n}: &m{n} {{<<: [{', '.join([f'*m{n - 1}'] * 20)}]}}" for n in range(1, 20))]
)
KEY = "\n".join(["l0: &l0 [lol, lol]", *LEVELS, "? *l19\n: value"])
DEEP = "[" * 20_000 + "]" * 20_000
TEXTS = {
    "aliases of aliases": LAUGHS,
    "merges of merges": MERGED,
    "an expanding key": KEY,
    "an alias as the name": f"{LAUGHS}\nname: *l19\nseed: *l19",
    "a long text again and again": f"a: &a {'x' * 1000}\nb: [{', '.join(['*a'] * 100_000)}]",
    "depth": f"name: {DEEP}",
    "depth alone": DEEP,
    "mappings in mappings": "{a: " * 5_000 + "1" + "}" * 5_000,
    "length": f"name: {'x' * 3_000_000}",
}
READERS: dict[str, Callable[[str], object]] = {
    "YAML": lambda text: parse_yaml(text, "it"),
    "plain YAML": lambda text: parse_plain_yaml(text, "it"),
    "spec": load_spec,
    "override": lambda text: load_spec("smoke", [f"task={{a: {text}}}"]),
    "task": load_task,
    "sweep": load_sweep,
    "gate": parse_rules,
    "package": lambda text: parse_package(text, "it"),
}


def refused(work: Callable[[], object]) -> str:
    """The one line in which `work` refuses its input, with little memory and within a minute."""
    reading, writing = os.pipe()

    def child() -> None:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(SECONDS)
        size = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
        resource.setrlimit(resource.RLIMIT_AS, (size + ROOM, size + ROOM))
        try:
            work()
        except InputError as error:
            os.write(writing, str(error).encode())

    code = in_child(child)
    os.close(writing)
    with os.fdopen(reading) as pipe:
        said = pipe.read()
    assert code == 0
    assert said, "it was taken"
    assert len(said) < 1000
    return said


@pytest.mark.fault(ROW, 1)
@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("reader", READERS)
def test_a_text_that_stands_for_more_is_refused_in_one_line(name: str, reader: str) -> None:
    if name == "length" and reader == "package":
        pytest.skip("a package may be as long")
    refused(lambda: READERS[reader](TEXTS[name]))


@pytest.mark.fault(ROW, 1)
@pytest.mark.parametrize("text", [DEEP, '{"a":' * 5000 + "1" + "}" * 5000, "[" * 200 + "]" * 200])
def test_json_is_refused_where_it_is_nested_too_deeply(text: str) -> None:
    assert "too deep" in refused(lambda: parse_json(text, "it"))


def test_what_is_within_the_bounds_is_read() -> None:
    nested = "[" * 90 + "1" + "]" * 90
    assert json.loads(nested) == decode_json(nested) == parse_yaml(nested, "it")
    assert parse_yaml("a: &a [1, 2]\nb: [*a, *a]", "it") == {"a": [1, 2], "b": [[1, 2], [1, 2]]}
    assert parse_generated_yaml("a: &a [1, 2]\nb: *a\n---\n1", "it") == [{"a": [1, 2], "b": [1, 2]}, 1]
    wide = json.dumps([[number] for number in range(100_000)])
    assert len(decode_json(wide)) == 100_000


FILES: dict[str, Callable[[Path], object]] = {
    "spec.yaml": lambda run: read_spec(run / "spec.yaml"),
    "manifest.json": read_manifest,
    "metrics.jsonl": lambda run: read_journal(run / "metrics.jsonl"),
    "evaluation.json": lambda run: read_json(run / "evaluation.json"),
    "error.json": lambda run: open_store(run).read_json("error.json"),
}


def _pipe(file: Path) -> None:
    file.unlink(missing_ok=True)
    os.mkfifo(file)


def _endless(file: Path) -> None:
    file.unlink(missing_ok=True)
    file.symlink_to("/dev/zero")


def _sparse(file: Path) -> None:
    with file.open("wb") as handle:
        handle.truncate(10**12)


@pytest.mark.fault(ROW, 1)
@pytest.mark.parametrize("plant", [_pipe, _endless, _sparse])
@pytest.mark.parametrize("name", FILES)
def test_a_file_of_a_run_that_never_ends_is_refused(name: str, plant: Callable[[Path], None], tmp_path: Path) -> None:
    plant(tmp_path / name)
    assert name in refused(lambda: FILES[name](tmp_path))


@pytest.mark.fault(ROW, 1)
@pytest.mark.parametrize("name", ["aliases of aliases", "an alias as the name", "depth"])
def test_a_spec_in_a_run_of_somebody_else_ends_nothing_that_reads_it(
    name: str, smoke_run: Path, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    run = tmp_path / "run"
    shutil.copytree(smoke_run, run, ignore=shutil.ignore_patterns("checkpoints"))
    (run / "spec.yaml").write_text(TEXTS[name])
    refused(lambda: read_records([run]))
    for command in (
        ["report", str(run), "--out", str(tmp_path / "report.html")],
        ["spec", str(run / "spec.yaml")],
        ["compare", str(run), "--out", str(tmp_path / "comparison")],
        ["watch", str(run)],
        ["evaluate", str(run)],
    ):
        capfd.readouterr()
        assert in_child(lambda command=command: os._exit(main(command))) == 2, command
        said = capfd.readouterr().err
        assert said.count("\n") == 1, said
        assert len(said) < 1000
