import json
import subprocess
import sys
import threading

import pandas
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from grokcore.data import DatasetInfo, generate_dataset, open_dataset
from grokcore.spec import ComparisonTask, dataset_id
from grokcore.storage import sha256
from grokcore.tasks import build_task
from tests.support.checks import refusal
from tests.tasks.small_tasks import SMALL

TASKS = list(SMALL.values())
TASK = ComparisonTask(entities=40, attributes=3, values=4, phi=8, probe_size=100)
by_task = pytest.mark.parametrize("task", TASKS, ids=lambda task: task.kind)
by_format = pytest.mark.parametrize("layout", ["grokcore", "grokked-transformer"])


def hashes(folder):
    return {path.name: sha256(path) for path in folder.iterdir()}


@by_task
def test_dataset_json_describes_the_data(task, tmp_path):
    info = generate_dataset(task, tmp_path / "data")
    document = json.loads((tmp_path / "data/dataset.json").read_text())
    data = build_task(task)
    assert list(document) == [
        *("format", "id", "generator_version", "task", "vocabulary_size", "sequence_length"),
        *("eos", "prefixes", *(["supervised"] if data.supervised else []), "splits", "files"),
    ]
    assert document.get("supervised", []) == list(data.supervised) == list(task.supervised)
    assert DatasetInfo.model_validate(document) == info
    assert document["format"] == 1
    assert document["id"] == dataset_id(task)
    assert document["task"] == task.model_dump(mode="json")
    assert document["vocabulary_size"] == len(data.vocabulary)
    lengths = {"comparison": 5, "modular": 4, "composition": 3, "complex_reasoning": 7, "in_context": 13}
    longest = max(int(rows.lengths.max()) for rows in (*data.train.values(), *data.probes.values()))
    assert document["sequence_length"] == longest == lengths.get(task.kind, longest)
    assert document["eos"] == data.eos
    assert document["prefixes"] == [list(prefix) for prefix in data.prefixes]
    for name, split in data.splits.items():
        assert document["splits"][name] == {
            "role": split.role,
            "rows": split.rows,
            "probes": len(data.probes[name]),
            "majority_baseline": split.majority_baseline,
            "chance": split.chance,
        }
    assert set(document["files"]) == {"train.parquet", "probes.parquet", "vocab.json"}
    for name, file in document["files"].items():
        path = tmp_path / "data" / name
        assert file == {"sha256": sha256(path), "bytes": path.stat().st_size}


@by_task
@by_format
def test_two_generations_are_equal_byte_for_byte(task, layout, tmp_path):
    for name in ("one", "two"):
        generate_dataset(task, tmp_path / name, format=layout)
    assert hashes(tmp_path / "one") == hashes(tmp_path / "two")


def test_another_process_generates_the_same_bytes(tmp_path):
    generate_dataset(TASK, tmp_path / "here")
    code = """
import sys
from grokcore.data import generate_dataset
from grokcore.spec import load_task
generate_dataset(load_task(sys.argv[1]), sys.argv[2])
"""
    subprocess.run([sys.executable, "-c", code, TASK.model_dump_json(), str(tmp_path / "there")], check=True)
    assert hashes(tmp_path / "here") == hashes(tmp_path / "there")


@by_task
def test_the_parquet_files_open_in_pandas(task, tmp_path):
    generate_dataset(task, tmp_path / "data")
    vocabulary = json.loads((tmp_path / "data/vocab.json").read_text())
    data = build_task(task)
    for file, splits in (("train.parquet", data.train), ("probes.parquet", data.probes)):
        frame = pandas.read_parquet(tmp_path / "data" / file)
        assert list(frame.columns) == ["split", "tokens", "answer"]
        assert frame["answer"].dtype == "int32"
        assert frame.groupby("split", observed=True).size().to_dict() == {n: len(rows) for n, rows in splits.items()}
        for name, rows in splits.items():
            part = frame[frame["split"] == name]
            questions = zip(rows.tokens.tolist(), rows.lengths.tolist(), strict=True)
            assert [list(tokens) for tokens in part["tokens"]] == [tokens[:length] for tokens, length in questions]
            assert part["answer"].tolist() == rows.answers.tolist()
        assert frame["answer"].max() < len(vocabulary)


def test_the_columns_have_the_published_types(tmp_path):
    generate_dataset(TASK, tmp_path / "data")
    schema = pq.read_schema(tmp_path / "data/train.parquet")
    assert pa.types.is_dictionary(schema.field("split").type)
    assert schema.field("split").type.value_type == pa.string()
    assert schema.field("tokens").type.value_type == pa.int32()
    assert schema.field("answer").type == pa.int32()


@by_format
def test_a_standing_data_set_of_the_same_id_is_reused(layout, tmp_path):
    first = generate_dataset(TASK, tmp_path / "data", format=layout)
    written = {path.name: path.stat().st_mtime_ns for path in (tmp_path / "data").iterdir()}
    assert generate_dataset(TASK, f"file://{tmp_path}/data", format=layout) == first
    assert {path.name: path.stat().st_mtime_ns for path in (tmp_path / "data").iterdir()} == written


def test_an_empty_directory_and_missing_parents_are_no_obstacle(tmp_path):
    (tmp_path / "empty").mkdir()
    for place in (tmp_path / "empty", tmp_path / "a/b/c"):
        generate_dataset(TASK, place)
        assert open_dataset(place).info.id == dataset_id(TASK)


def test_processes_that_generate_the_same_data_set_at_once_all_succeed(tmp_path):
    failures = []

    def generate():
        try:
            generate_dataset(TASK, tmp_path / "data")
        except BaseException as error:
            failures.append(error)

    threads = [threading.Thread(target=generate) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
    assert [path.name for path in tmp_path.iterdir()] == ["data"]
    assert open_dataset(tmp_path / "data").info.id == dataset_id(TASK)


def test_something_else_at_the_place_is_refused_and_left_alone(tmp_path):
    generate_dataset(TASK, tmp_path / "data")
    before = hashes(tmp_path / "data")
    line = refusal(generate_dataset, TASK.model_copy(update={"seed": 1}), tmp_path / "data")
    assert dataset_id(TASK) in line
    assert "remove it or choose another place" in line
    assert "in the format grokcore" in refusal(generate_dataset, TASK, tmp_path / "data", format="grokked-transformer")
    assert hashes(tmp_path / "data") == before

    (tmp_path / "other").mkdir()
    (tmp_path / "other/thesis.txt").write_text("dear")
    assert "is not a dataset" in refusal(generate_dataset, TASK, tmp_path / "other")
    assert "is not a dataset" in refusal(generate_dataset, TASK, tmp_path / "other/thesis.txt")
    assert (tmp_path / "other/thesis.txt").read_text() == "dear"


def test_a_damaged_data_set_is_not_reused(tmp_path):
    generate_dataset(TASK, tmp_path / "data")
    (tmp_path / "data/train.parquet").unlink()
    assert "train.parquet is missing: remove" in refusal(generate_dataset, TASK, tmp_path / "data")


def test_an_unknown_format_names_the_known_ones(tmp_path):
    line = refusal(generate_dataset, TASK, tmp_path / "data", format="csv")
    assert line == "there is no format 'csv'; formats are: grokcore, grokked-transformer"


def test_an_unwritable_place_gives_one_line(tmp_path):
    (tmp_path / "file").write_text("")
    assert refusal(generate_dataset, TASK, tmp_path / "file/data").startswith(f"cannot write {tmp_path}/file/data: ")
    assert "is not supported" in refusal(generate_dataset, TASK, "ftp://host/data")


@by_format
@pytest.mark.parametrize("limit", [0, 1000, 3000])
def test_a_disk_that_fills_up_leaves_nothing_behind(layout, limit, tmp_path):
    code = """
import resource, signal, sys
from grokcore.data import generate_dataset
from grokcore.errors import TransientError
from grokcore.spec import load_task
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[4]),) * 2)
try:
    generate_dataset(load_task(sys.argv[1]), sys.argv[2], format=sys.argv[3])
except TransientError as error:
    print(error)
"""
    place = tmp_path / "data"
    command = [sys.executable, "-c", code, TASK.model_dump_json(), str(place), layout, str(limit)]
    finished = subprocess.run(command, capture_output=True, text=True, check=True)
    assert finished.stdout.startswith(f"cannot write {place}: File too large"), finished.stdout
    assert finished.stdout.count("\n") == 1
    assert not finished.stderr
    assert not list(tmp_path.iterdir())
