import json

import numpy as np
import pytest

from grokcore.data import Rows, generate_dataset, open_dataset
from grokcore.data.formats import read_rows, write_rows
from grokcore.spec import ComparisonTask, dataset_id
from grokcore.storage import sha256
from grokcore.tasks import build_task
from tests.support.checks import refusal
from tests.tasks.small_tasks import SMALL

TASK = ComparisonTask(entities=40, attributes=3, values=4, phi=8, probe_size=100)
FILES = ["train.parquet", "probes.parquet", "vocab.json"]


@pytest.fixture
def folder(tmp_path):
    generate_dataset(TASK, tmp_path / "data")
    return tmp_path / "data"


def read_all(folder, *arguments):
    dataset = open_dataset(folder, *arguments)
    dataset.train()
    dataset.probes()


def edit(folder, change):
    """Change dataset.json the way someone with a text editor would."""
    document = json.loads((folder / "dataset.json").read_text())
    change(document)
    (folder / "dataset.json").write_text(json.dumps(document))


def rehash(folder):
    """Make dataset.json agree with files that were changed: only their content can give them away."""

    def change(document):
        for name in document["files"]:
            document["files"][name] = {"sha256": sha256(folder / name), "bytes": (folder / name).stat().st_size}

    edit(folder, change)


@pytest.mark.parametrize("task", [TASK, *SMALL.values()], ids=lambda task: task.kind)
def test_what_was_generated_is_read_back(task, tmp_path):
    generate_dataset(task, tmp_path / "data")
    dataset, data = open_dataset(tmp_path / "data", dataset_id(task)), build_task(task)
    assert dataset.vocabulary == data.vocabulary
    train, width = dataset.train(), dataset.info.sequence_length
    assert train.tokens.shape == (len(train), width)
    start = 0
    for rows in data.train.values():
        part, start = train[start : start + len(rows)], start + len(rows)
        assert part.answers.tolist() == rows.answers.tolist()
        assert part.lengths.tolist() == rows.lengths.tolist()
        assert part.tokens[:, : rows.tokens.shape[1]].tolist() == rows.tokens.tolist()
        assert not part.tokens[:, rows.tokens.shape[1] :].any()
    assert start == len(train)
    probes = dataset.probes()
    assert list(probes) == list(data.splits)
    for name, rows in data.probes.items():
        assert probes[name].tokens.shape == (len(rows), width)
        assert probes[name].answers.tolist() == rows.answers.tolist()
    for rows in (train, *probes.values()):
        assert rows.tokens.dtype == rows.lengths.dtype == rows.answers.dtype == np.int32


def test_questions_of_any_length_are_padded_with_zeros(tmp_path):
    tokens = np.array([[5, 6, 7], [8, 0, 0], [9, 4, 0]], np.int32)
    rows = Rows(tokens, np.array([3, 1, 2], np.int32), np.array([1, 2, 3], np.int32))
    write_rows(tmp_path / "rows", {"a": rows, "b": rows[np.array([2])]})
    read = read_rows(tmp_path / "rows", 4)
    assert read["a"].tokens.tolist() == [[5, 6, 7, 0], [8, 0, 0, 0], [9, 4, 0, 0]]
    assert read["a"].lengths.tolist() == [3, 1, 2]
    assert read["b"].tokens.tolist() == [[9, 4, 0, 0]]
    assert read["b"].answers.tolist() == [3]


@pytest.mark.parametrize("uri", ["{}", "file://{}"])
def test_a_path_and_a_file_uri_name_the_same_data_set(folder, uri):
    assert open_dataset(uri.format(folder)).path == folder


def test_nothing_there_says_how_to_make_one(tmp_path):
    assert "make one with `grokcore generate SPEC --out" in refusal(read_all, tmp_path / "absent")
    assert "it has no dataset.json" in refusal(read_all, tmp_path)
    (tmp_path / "file").write_text("")
    assert "it has no dataset.json" in refusal(read_all, tmp_path / "file")


def test_a_data_set_for_another_spec_is_refused_with_both_ids(folder):
    line = refusal(read_all, folder, "0123456789abcdef")
    assert dataset_id(TASK) in line
    assert "0123456789abcdef" in line
    assert "generate one for this spec" in line


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(folder, name):
    (folder / name).unlink()
    assert f"{name} is missing: remove {folder} and generate it again" in refusal(read_all, folder)


@pytest.mark.parametrize("name", FILES)
def test_a_truncated_file_is_named(folder, name):
    content = (folder / name).read_bytes()
    (folder / name).write_bytes(content[: len(content) // 2])
    assert f"{name} has {len(content) // 2} bytes instead of {len(content)}" in refusal(read_all, folder)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("place", [0, 0.5, 1])
def test_one_flipped_bit_is_found(folder, name, place):
    content = bytearray((folder / name).read_bytes())
    content[int(place * (len(content) - 1))] ^= 1
    (folder / name).write_bytes(content)
    assert f"{name} does not have the SHA-256" in refusal(read_all, folder)


@pytest.mark.parametrize("content", ["", "{", "[]", "null", "[" * 100_000, "{}"])
def test_a_damaged_dataset_json_gives_one_line(folder, content):
    (folder / "dataset.json").write_text(content)
    assert "dataset.json" in refusal(read_all, folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda d: d.update(format=2), "has format 2, this grokcore reads 1"),
        (lambda d: d.update(id="0123456789abcdef"), "it was changed after it was generated"),
        (lambda d: d["task"].update(seed=9), "it was changed after it was generated"),
        (lambda d: d["task"].update(kind="mystery"), "is damaged (kind: 'mystery' is not known"),
        (lambda d: d["task"].update(phi=-1), "is damaged (phi"),
        (lambda d: d.pop("splits"), "is damaged (splits: is required)"),
        (lambda d: d.update(surprise=1), "is damaged (surprise"),
        (lambda d: d["files"].pop("vocab.json"), "files of no known layout"),
        (lambda d: d["files"].update({"../secret": d["files"].pop("vocab.json")}), "files of no known layout"),
        (lambda d: d["files"]["vocab.json"].update(sha256="short"), "is damaged (files.vocab.json.sha256"),
        (lambda d: d["splits"]["id_atomic"].update(rows=7), "does not have the splits and sizes"),
        (lambda d: d["splits"]["test_inferred_ood"].update(probes=7), "does not have the splits and sizes"),
        (lambda d: d["splits"].pop("test_inferred_iid"), "does not have the splits and sizes"),
        (lambda d: d["splits"]["test_inferred_iid"].update(role="train"), "does not have the splits and sizes"),
        (lambda d: d.update(sequence_length=4), "not 1 to 4 tokens long"),
        (lambda d: d.update(vocabulary_size=9), "does not hold 9 different tokens"),
        (lambda d: d.update(eos=0), "names tokens that vocab.json does not have"),
        (lambda d: d.update(eos=10**6), "names tokens that vocab.json does not have"),
        (lambda d: d.update(prefixes=[[-1]]), "names tokens that vocab.json does not have"),
    ],
)
def test_an_edited_dataset_json_is_refused(folder, change, message):
    edit(folder, change)
    assert message in refusal(read_all, folder)


def test_the_task_of_an_older_generator_is_not_judged_by_today(folder):
    edit(folder, lambda document: document.update(generator_version=99, id="0123456789abcdef", task={"kind": "gone"}))
    assert len(open_dataset(folder).train()) > 0
    assert "by another version" in refusal(read_all, folder, dataset_id(TASK))


def test_data_that_were_made_before_a_field_existed_keep_their_id_and_their_meaning(tmp_path):
    pairs = SMALL["complex_reasoning"].model_copy(update={"stated": "pairs"})
    folder = tmp_path / "data"
    identity = generate_dataset(pairs, folder).id
    edit(folder, lambda document: document["task"].pop("stated"))
    info = open_dataset(folder, dataset_id(pairs)).info
    assert info.id == identity
    assert info.current_task() == pairs


def test_prompts_of_the_former_generator_are_read_and_never_taken_for_today_s(tmp_path):
    task, folder = SMALL["in_context"], tmp_path / "data"
    generate_dataset(task, folder)
    edit(folder, lambda document: document.update(generator_version=2, id="0123456789abcdef"))
    assert open_dataset(folder).info.current_task() is None
    assert "by another version" in refusal(read_all, folder, dataset_id(task))


@pytest.mark.parametrize("token", [-1, 10**6])
@pytest.mark.parametrize("column", ["tokens", "answers"])
@pytest.mark.parametrize("name", ["train.parquet", "probes.parquet"])
def test_tokens_outside_the_vocabulary_are_refused(folder, token, column, name):
    splits = read_rows(folder / name, 5)
    array = getattr(next(iter(splits.values())), column)
    array[(0,) * array.ndim] = token
    write_rows(folder / name, splits)
    rehash(folder)
    assert f"{name} has a token outside the vocabulary" in refusal(read_all, folder)


def test_files_that_are_no_such_tables_are_refused(folder):
    (folder / "train.parquet").write_bytes((folder / "vocab.json").read_bytes())
    rehash(folder)
    assert "is not a Parquet file" in refusal(read_all, folder)


def test_other_columns_are_refused(folder):
    pandas = pytest.importorskip("pandas")
    pandas.DataFrame({"question": ["a"], "answer": [1]}).to_parquet(folder / "train.parquet")
    rehash(folder)
    assert "does not have the columns split, tokens and answer" in refusal(read_all, folder)


@pytest.mark.parametrize("content", ["{}", "[1]", '["<a>", "<a>"]', "[[]]"])
def test_a_vocabulary_of_something_else_is_refused(folder, content):
    (folder / "vocab.json").write_text(content)
    rehash(folder)
    assert "vocab.json" in refusal(read_all, folder)


def test_the_layout_of_other_programs_is_not_trained_on(tmp_path):
    generate_dataset(TASK, tmp_path / "data", format="grokked-transformer")
    assert "generate one without --format" in refusal(read_all, tmp_path / "data")
