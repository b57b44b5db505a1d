"""Every file that somebody else may have written is read by one reader, which refuses a key that is given twice."""

from __future__ import annotations

import re
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from grokcore.champions import parse_rules
from grokcore.champions.history import History
from grokcore.cli import main
from grokcore.cluster.kubeflow.form import filled_in
from grokcore.cluster.kubeflow.package import parse_package, read_lock, read_package
from grokcore.data import open_dataset
from grokcore.errors import InputError
from grokcore.evaluation.records import read_records
from grokcore.local.pipeline import compiled_pipeline
from grokcore.runs import read_journal, read_manifest
from grokcore.spec import load_spec, load_task, read_spec
from grokcore.storage import open_store, read_json
from grokcore.sweeps import load_sweep

ROOT = Path(__file__).parents[2]

DIGEST = "sha256:" + "0" * 64

TEXTS: dict[str, Callable[[str], object]] = {
    "training:\n  max_steps: 5\ntask: {kind: modular}\ntraining: {}\n": load_spec,
    '{"name": "a", "training": {"max_steps": 5, "max_steps": 6}}': load_spec,
    "kind: modular\nmodulus: 7\nmodulus: 11\n": load_task,
    "name: s\nbase: smoke\naxes: []\nseeds: 0..1\naxes: []\n": load_sweep,
    "name: s\nbase: {name: a, name: b}\n": load_sweep,
    "name: s\nbase: smoke\naxes:\n- {kind: list, points: {a: [seed=1], a: [seed=2]}}\n": load_sweep,
    '{"confidence": 0.9, "confidence": 0.99}': parse_rules,
    "confidence=0.9 confidence=0.99": parse_rules,
}


@pytest.mark.parametrize("text", TEXTS)
def test_a_text_with_a_key_that_is_given_twice(text: str) -> None:
    with pytest.raises(InputError, match="is given twice"):
        TEXTS[text](text)


FILES: dict[str, Callable[[Path], object]] = {
    "spec.yaml": lambda run: read_spec(run / "spec.yaml"),
    "manifest.json": read_manifest,
    "metrics.jsonl": lambda run: read_journal(run / "metrics.jsonl"),
    "evaluation.json": lambda run: read_records([run]),
}


@pytest.mark.parametrize("name", FILES)
def test_a_file_of_a_run_with_a_key_that_is_given_twice(smoke_run: Path, tmp_path: Path, name: str) -> None:
    run = tmp_path / "run"
    shutil.copytree(smoke_run, run, ignore=shutil.ignore_patterns("checkpoints", "model"))
    text = (run / name).read_text()
    doubled = (
        f"{text}name: again\n" if name == "spec.yaml" else re.sub(r'"(run_id|step)":', r'"\1": 0, "\1":', text, count=1)
    )
    (run / name).write_text(doubled)
    with pytest.raises(InputError, match=r"is given twice|line 1, is not an evaluation"):
        FILES[name](run)


def test_a_dataset_json_with_a_key_that_is_given_twice(smoke_data: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(smoke_data, data)
    file = data / "dataset.json"
    file.write_text(file.read_text().replace('"eos":', '"eos": 1, "eos":'))
    with pytest.raises(InputError, match="'eos' is given twice, in line"):
        open_dataset(data)


def test_a_champion_with_a_key_that_is_given_twice(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    history = History(store, "a")
    store.write(history._entry_key(1), b'{"version": 1, "version": 2}')
    with pytest.raises(InputError, match="'version' is given twice"):
        history.head()


def test_a_lock_of_images_with_a_key_that_is_given_twice(tmp_path: Path) -> None:
    lock = tmp_path / "lock.yaml"
    lock.write_text(f"runtime: a@{DIGEST}\nruntime: b@{DIGEST}\n")
    with pytest.raises(InputError, match="'runtime' is given twice, in line 1 and in line 2"):
        read_lock(lock)


def test_a_package_and_a_form_with_a_key_that_is_given_twice() -> None:
    path = compiled_pipeline("grokking_experiment")
    with pytest.raises(InputError, match="mine: 'root' is given twice, in line"):
        parse_package(path.read_text().replace("\nroot:", "\nroot: {}\nroot:", 1), "mine")
    with pytest.raises(InputError, match=r"node_selector=.*'a' is given twice"):
        filled_in(read_package(path), {"node_selector": '{"a": "x", "a": "y"}'})


def test_the_command_line_says_it_in_one_line(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("training: {max_steps: 5}\n\ntraining: {}\n")
    assert main(["spec", str(file)]) == 2
    said = f"grokcore: {file}: 'training' is given twice, in line 1 and in line 3: keep one of them\n"
    assert capsys.readouterr().err == said
    other = tmp_path / "any.json"
    other.write_text('{"a": 1, "a": 2}')
    with pytest.raises(InputError, match="'a' is given twice, in line 1"):
        read_json(other)


READERS = re.compile(r"yaml\.(safe_)?load(_all)?\(|json\.loads?\(|model_validate_json\(")

OWN = {
    "data/card.py": "code for readers of the card, not run here",
    "documents/json_text.py": "the reader itself",
    "documents/yaml_text.py": "the reader itself",
    "reporting/html.py": "what bokeh has just made",
    "champions/history.py": "what pydantic has just made",
    "cluster/kubeflow/naming.py": "what a sweep has just made",
    "training/distributed/member.py": "what another process of the same training wrote",
    "training/distributed/launch.py": "what another process of the same training wrote",
    "training/distributed/group.py": "what another process of the same training sent",
    "training/seeds/worker.py": "what the process that started this one sent",
    "training/seeds/pool.py": "what a process of this training sent",
    "local/__main__.py": "what the process that started this one sent, and a package that it has read",
    "cluster/trainjobs/connection.py": "an answer of an API, of which only the message is shown",
    "cluster/kubeflow/transport.py": "an answer of an API, which its client reads",
    "cluster/kubeflow/errors.py": "an answer of an API, of which only the message is shown",
}


def test_nothing_else_reads_yaml_or_json() -> None:
    found = {
        str(file.relative_to(ROOT / "grokcore"))
        for file in (ROOT / "grokcore").rglob("*.py")
        if READERS.search(file.read_text("utf-8"))
    }
    assert found == set(OWN)
