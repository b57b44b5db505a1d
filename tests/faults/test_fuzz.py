"""Whatever stands in a file or on a command line: it works, or one line says what is wrong, with exit code 2.

The number of cases of each test is GROKCORE_FUZZ_CASES; the few that are the default are the same in every run.
"""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest
import yaml
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from grokcore.cli import main
from grokcore.data import Dataset, open_dataset
from grokcore.evaluation.evaluate import assemble
from grokcore.evaluation.records import read_records
from grokcore.reporting.page import render
from grokcore.runs import checkpoints_of, list_runs, orphans_of, read_journal, read_manifest
from grokcore.runs.artifacts import evaluation_scalars, run_scalars
from grokcore.runs.follow import follow
from grokcore.runs.groups import groups_of
from grokcore.runs.journal import checked_lines
from grokcore.runs.record import RunRecord
from grokcore.spec import load_spec, load_task, preset_names, read_spec, resolve, split_overrides
from grokcore.stage import Failure
from grokcore.storage import open_store, read_json, sha256
from grokcore.terminal.plain import PlainLines
from grokcore.terminal.run_list import WatchedRun
from grokcore.terminal.run_view import run_rows
from grokcore.training.checkpoints.checkpoint import load_checkpoint
from tests.faults.fuzzing import TEXTS, VALUES, damages, documents, ends_well, mutations

CASES = int(os.environ.get("GROKCORE_FUZZ_CASES", "40"))

pytestmark = pytest.mark.timeout(max(300, CASES))  # a hang ends here


Test = TypeVar("Test", bound=Callable[..., None])


def fuzz(share: float = 1.0) -> Callable[[Test], Test]:
    """Let a test that hypothesis gives its input run for `share` of the cases, and count them."""
    cases = max(1, int(CASES * share))
    setting = settings(
        max_examples=cases,
        derandomize="GROKCORE_FUZZ_CASES" not in os.environ,
        deadline=None,
        database=None,
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    return lambda test: pytest.mark.fault("fuzzed input", cases)(setting(test))


def shown(run: Path) -> list[RunRecord]:
    """The run as a report reads it."""
    return read_records([run], unfinished="show")


@pytest.fixture(autouse=True)
def _counted(request: pytest.FixtureRequest) -> None:
    request.node.user_properties.append(("tries", request.node.get_closest_marker("fault").args[1]))


PRESETS = {name: load_spec(name).model_dump(mode="json") for name in preset_names()}
FIELDS = sorted({f"{section}.{field}" for spec in PRESETS.values() for section, part in spec.items()
                 if isinstance(part, dict) for field in part} | set(PRESETS["smoke"]))  # fmt: skip

PIECES = [
    *("name: x\n", "task:\n", "  kind: modular\n", "model: ", "{", "}", "[", "]", "&a ", "*a", "<<: *a\n", "? ", "- "),
    *("!!python/object:os.system x\n", "!!binary x\n", "!!set {a}\n", "!!timestamp 2001-01-01\n", "2001-02-30: x\n"),
    *("seed: 0x1F\n", "seed: 1_000\n", "seed: 190:20:30\n", "seed: .inf\n", "training: {a: b}\n", "|\n", "\t", "  "),
    *("!!bool maybe\n", "!!int x\n", "!!float x\n", "!!omap [a]\n", "!!null x\n", "!!str {a}\n", "!!merge x\n"),
    *("%YAML 9.9\n", "---\n", "...\n", "#", "'", '"', ",", ": ", "\n", "~", "null"),
]
YAML = st.one_of(
    TEXTS,
    st.binary(max_size=30).map(lambda raw: raw.decode("latin-1")),
    st.lists(st.sampled_from(PIECES), max_size=12).map("".join),
)


@given(YAML)
@example("a: " + "[" * 700)
@example("\n- " + "- " * 3000)
@example("seed: !!timestamp yesterday")
@example("seed: !!bool maybe")
@example("name: " + "9" * 6000 + "\nseed: " + "9" * 6000)
@example(
    "a: &a [x,x,x,x,x,x,x,x,x]\n"
    + "".join(f"{b}: &{b} [{','.join([f'*{a}'] * 9)}]\n" for a, b in zip("abcdefgh", "bcdefghi", strict=True))
    + "name: *i\n"
)
@fuzz(2)
def test_any_text_as_a_spec(text: str) -> None:
    ends_well(lambda: load_spec(text, allow_files=False))
    ends_well(lambda: load_task(text))
    ends_well(lambda: load_spec("smoke", split_overrides(text)))


@given(st.sampled_from(sorted(PRESETS)).flatmap(lambda name: mutations(PRESETS[name])))
@fuzz(3)
def test_a_spec_with_other_values(document: Any) -> None:
    def resolved() -> None:
        spec = resolve(load_spec(json.dumps(document), allow_files=False))
        assert len(spec.run_id) == len(spec.dataset_id) == len(spec.evaluation_id) == 16

    ends_well(resolved)


@given(
    st.sampled_from(sorted(PRESETS)),
    st.lists(
        st.one_of(
            st.tuples(st.sampled_from(FIELDS), VALUES.map(lambda value: json.dumps(value)) | TEXTS).map("=".join),
            TEXTS,
        ),
        max_size=4,
    ),
)
@fuzz(2)
def test_any_overrides_on_the_command_line(preset: str, overrides: list[str]) -> None:
    arguments = ["spec", preset, *(f"--set={override}" for override in overrides)]
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()) as err:
        code = main(arguments)
    assert code in (0, 2)
    errors = [line for line in err.getvalue().splitlines() if "dropped" not in line]
    assert len(errors) == (1 if code else 0), err.getvalue()


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory, smoke_run: Path) -> Path:
    """A copy of a run without its checkpoints, whose files a test may damage."""
    place = tmp_path_factory.mktemp("fuzz") / "run"
    shutil.copytree(smoke_run, place, ignore=shutil.ignore_patterns("checkpoints"))
    return place


@pytest.fixture(scope="module")
def dataset(smoke_data: Path) -> Dataset:
    return open_dataset(smoke_data)


@contextlib.contextmanager
def changed(file: Path, content: bytes) -> Iterator[None]:
    """The file with other content, for as long as the block runs."""
    before = file.read_bytes()
    file.write_bytes(content)
    try:
        yield
    finally:
        file.write_bytes(before)


def journals(content: bytes) -> st.SearchStrategy[bytes]:
    lines = [json.loads(line) for line in content.splitlines()][-6:]
    return st.one_of(
        mutations(lines, 4)
        .filter(lambda value: isinstance(value, list))
        .map(lambda value: b"".join(json.dumps(line).encode() + b"\n" for line in value)),
        damages(content),
    )


@given(data=st.data())
@fuzz(2)
def test_a_damaged_journal(run: Path, dataset: Dataset, data: st.DataObject) -> None:
    file = run / "metrics.jsonl"
    spec, splits = read_spec(run / "spec.yaml"), {name: {"accuracy": 1.0, "loss": 0.0} for name in dataset.info.splits}

    def evaluated() -> None:
        lines = checked_lines(read_journal(file), file)
        if lines and lines[-1]["splits"].keys() == dataset.info.splits.keys():
            assemble(spec, dataset.info.splits, lines, {"accuracy": 1.0, "loss": 0.0}, splits, None)

    def watched() -> None:
        plain = PlainLines(100)
        for line in follow(open_store(run), lambda: True):
            run_scalars(line)
            list(plain.of(line, None))
        watched = WatchedRun(open_store(run), "run")
        watched.look()
        if watched.facts is not None:
            run_rows(watched.facts, 80, 24, now=0.0)

    with changed(file, data.draw(journals(file.read_bytes()))):
        ends_well(evaluated)
        ends_well(watched)
        ends_well(lambda: shown(run))


@pytest.mark.parametrize("name", ["manifest.json", "evaluation.json"])
@given(data=st.data())
@fuzz(1)
def test_a_damaged_record_of_a_run(run: Path, name: str, data: st.DataObject) -> None:
    file = run / name
    with changed(file, data.draw(documents(read_json(file)))):
        ends_well(lambda: read_manifest(run))
        ends_well(lambda: shown(run))


@given(data=st.data())
@fuzz(1)
def test_a_damaged_spec_of_a_run(run: Path, data: st.DataObject) -> None:
    file = run / "spec.yaml"
    document = yaml.safe_load(file.read_bytes())
    contents = st.one_of(documents(document), damages(file.read_bytes()))
    with changed(file, data.draw(contents)):
        ends_well(lambda: read_spec(file))
        ends_well(lambda: shown(run))


def json_documents(content: bytes) -> st.SearchStrategy[bytes]:
    return documents(json.loads(content))


CONTENTS = {
    "metrics.jsonl": journals,
    "spec.yaml": damages,
    "manifest.json": json_documents,
    "evaluation.json": json_documents,
}


@given(data=st.data())
@fuzz(0.1)
def test_a_report_of_what_could_be_read_can_be_drawn(run: Path, data: st.DataObject) -> None:
    """Apart from the rest, since drawing takes a hundred times as long as reading; so it tries odd but valid values."""
    file = run / data.draw(st.sampled_from(sorted(CONTENTS)))
    contents = CONTENTS[file.name](file.read_bytes())
    with changed(file, file.read_bytes()):
        for _ in range(20):
            file.write_bytes(data.draw(contents))
            if ends_well(lambda: shown(run)):
                ends_well(lambda: render(groups_of(shown(run)), [], "nowhere"))
                break


@pytest.fixture(scope="module")
def data_set(tmp_path_factory: pytest.TempPathFactory, smoke_data: Path) -> Path:
    place = tmp_path_factory.mktemp("fuzz") / "data"
    shutil.copytree(smoke_data, place)
    return place


def read_all(place: Path) -> None:
    opened = open_dataset(place)
    opened.train()
    opened.probes()


@given(data=st.data())
@fuzz(2)
def test_a_damaged_dataset_json(data_set: Path, data: st.DataObject) -> None:
    file = data_set / "dataset.json"
    with changed(file, data.draw(documents(read_json(file)))):
        ends_well(lambda: read_all(data_set))


@pytest.mark.parametrize("name", ["train.parquet", "probes.parquet", "vocab.json"])
@pytest.mark.parametrize("hashes_agree", [False, True])
@given(data=st.data())
@fuzz(0.5)
def test_a_damaged_file_of_a_data_set(data_set: Path, name: str, hashes_agree: bool, data: st.DataObject) -> None:
    file, info = data_set / name, data_set / "dataset.json"
    content, document = file.read_bytes(), read_json(info)
    contents = documents(json.loads(content)[:20]) if name == "vocab.json" else damages(content)
    with changed(file, data.draw(contents)), changed(info, info.read_bytes()):
        if hashes_agree:
            document["files"][name] = {"sha256": sha256(file), "bytes": file.stat().st_size}
            info.write_text(json.dumps(document))
        whole = file.read_bytes() == content
        assert ends_well(lambda: read_all(data_set)) in ({True, False} if hashes_agree else {whole})


@given(content=documents({"stage": "train", "kind": "bad input", "message": "wrong", "exit_code": 2}))
@fuzz(1)
def test_a_damaged_error_json(tmp_path_factory: pytest.TempPathFactory, content: bytes) -> None:
    file = tmp_path_factory.getbasetemp() / "error.json"
    file.write_bytes(content)
    failure = Failure.read(file)
    assert failure is None or isinstance(str(failure.error()), str)


@given(data=st.data())
@fuzz(1)
def test_metrics_of_an_evaluation_that_was_read_are_numbers(run: Path, data: st.DataObject) -> None:
    file = run / "evaluation.json"
    with changed(file, data.draw(documents(read_json(file)))):
        ends_well(lambda: evaluation_scalars(shown(run)[0].evaluation.model_dump(mode="json")))


@pytest.fixture(scope="module")
def checkpointed(tmp_path_factory: pytest.TempPathFactory, smoke_run: Path) -> Path:
    place = tmp_path_factory.mktemp("fuzz") / "run"
    shutil.copytree(smoke_run, place)
    return place


@given(data=st.data())
@fuzz(2)
def test_a_damaged_checkpoint(checkpointed: Path, data: st.DataObject) -> None:
    """It is walked back over, in one line each; what loads is what was saved."""
    store = open_store(checkpointed / "checkpoints")
    run_id = read_manifest(checkpointed).run_id
    file = data.draw(
        st.sampled_from(sorted(path for path in (checkpointed / "checkpoints").rglob("*") if path.is_file()))
    )
    content = file.read_bytes()
    is_manifest = file.name == "manifest.json"

    def loaded() -> None:
        checkpoint, skipped = load_checkpoint(store, run_id)
        assert all(len(line.splitlines()) == 1 and len(line) < 1000 for line in skipped)
        assert checkpoint is not None or skipped

    with changed(file, data.draw(json_documents(content) if is_manifest else damages(content))):
        ends_well(loaded)
        ends_well(lambda: orphans_of(open_store(checkpointed)))
        ends_well(lambda: checkpoints_of(open_store(checkpointed)))


@pytest.mark.parametrize("name", ["manifest.json", "metrics.jsonl"])
@given(data=st.data())
@fuzz(1)
def test_a_store_with_a_damaged_run_is_listed(run: Path, name: str, data: st.DataObject) -> None:
    file = run / name
    strategy = journals(file.read_bytes()) if name == "metrics.jsonl" else json_documents(file.read_bytes())
    with changed(file, data.draw(strategy)), contextlib.redirect_stdout(io.StringIO()):
        assert len(list_runs(open_store(run.parent))) == 1
        for command in ("list", "show"):
            for form in ([], ["--json"]):
                with contextlib.redirect_stderr(io.StringIO()) as err:
                    code = main(["runs", command, str(run), *form])
                assert code == 0 or (command, code) == ("show", 2)
                assert err.getvalue().count("\n") == (1 if code else 0)
