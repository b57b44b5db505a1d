"""One flipped bit in any file of a finished run: every command that reads the file says so, and nothing is replaced."""

from __future__ import annotations

import json
import random
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

import grokcore
from grokcore.cli import main
from grokcore.errors import InputError
from grokcore.models import load_model
from grokcore.runs import JOURNAL, MANIFEST, read_manifest
from grokcore.spec import load_spec
from tests.faults.conftest import Trial

ROW = "a flipped bit in spec, manifest, journal, model or evaluation of a finished run"

MODEL, TOKENIZER = "model/model.safetensors", "model/tokenizer.json"
READ_BY = {
    "evaluate": ["spec.yaml", MANIFEST, JOURNAL, MODEL, "model/config.json"],
    "report": ["spec.yaml", MANIFEST, JOURNAL, "evaluation.json"],
    "compare": ["spec.yaml", MANIFEST, JOURNAL, "evaluation.json"],
    "claims": ["spec.yaml", MANIFEST, JOURNAL, "evaluation.json"],
    "runs show": [
        "spec.yaml",
        MANIFEST,
        JOURNAL,
        "evaluation.json",
        MODEL,
        "model/config.json",
        "model/tokenizer.json",
    ],
    "train": [MANIFEST, JOURNAL],
}
PAIRS = [(command, file) for command, files in READ_BY.items() for file in files]


@pytest.fixture
def run(smoke_run: Path, tmp_path: Path) -> Path:
    shutil.copytree(smoke_run, tmp_path / "run")
    return tmp_path / "run"


def flip(path: Path, chance: random.Random) -> None:
    content = bytearray(path.read_bytes())
    content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    path.write_bytes(content)


def arguments(command: str, run: Path, out: Path) -> list[str]:
    return {
        "evaluate": ["evaluate", str(run)],
        "report": ["report", str(run), "--out", str(out / "report.html")],
        "compare": ["compare", str(run), "--out", str(out / "comparison")],
        "claims": ["claims", str(run)],
        "runs show": ["runs", "show", str(run)],
        "train": ["train", "smoke", "--data", read_manifest_uri(run), "--out", str(run)],
    }[command]


def read_manifest_uri(run: Path) -> str:
    return str(json.loads((run / MANIFEST).read_text())["dataset"]["uri"])


@pytest.mark.fault(ROW, 1)
@pytest.mark.parametrize(("command", "file"), PAIRS, ids=[f"{command}-{file}" for command, file in PAIRS])
def test_a_flipped_bit_is_noticed(
    trial: Trial, command: str, file: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Exit code 2 and one line; `runs show` shows the file as damaged, `train` says that it writes the file anew."""
    call = arguments(command, run, tmp_path)
    evaluation = (run / "evaluation.json").read_bytes()
    flip(run / file, trial.random)
    flipped = (run / file).read_bytes()

    code = main(call)

    output = capsys.readouterr()
    assert "Traceback" not in output.err
    if command == "runs show":
        assert "damaged" in output.out or code == 2
        assert code == 0 or file in (MANIFEST, "spec.yaml")
    elif command == "train" and code == 0:
        assert "damaged" in output.err
        assert "damaged" not in shown(run, capsys)
    else:
        assert code == 2, output
        assert len(output.err.splitlines()) == 1, output.err
        assert (run / file).read_bytes() == flipped
    if file != "evaluation.json":
        assert (run / "evaluation.json").read_bytes() == evaluation


def shown(run: Path, capsys: pytest.CaptureFixture[str]) -> str:
    capsys.readouterr()
    assert main(["runs", "show", str(run)]) == 0
    return capsys.readouterr().out


def test_a_whole_run_is_shown_as_good_and_read_without_a_remark(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert "verified" not in shown(run, capsys)
    assert "damaged" not in shown(run, capsys)
    for command in ("evaluate", "report", "compare"):
        assert main(arguments(command, run, tmp_path)) == 0
        assert capsys.readouterr().err == ""


@pytest.mark.parametrize("file", [MODEL, "model/config.json"])
def test_the_model_of_a_run_is_not_loaded_when_it_is_damaged(trial_of: random.Random, file: str, run: Path) -> None:
    load_model(run / "model")
    flip(run / file, trial_of)
    with pytest.raises(InputError, match=r"damaged|JSON|model_type"):
        load_model(run / "model")


@pytest.fixture
def trial_of() -> random.Random:
    return random.Random(1)  # noqa: S311 - chance, not secrets


def unseal(run: Path) -> None:
    """What an older version would have written."""
    for name, field in ((MANIFEST, "seal"), ("evaluation.json", "sha256")):
        document = json.loads((run / name).read_text())
        del document[field]
        (run / name).write_text(json.dumps(document))


def test_a_run_of_an_older_version_is_read_and_called_not_verified(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unseal(run)
    for command in ("report", "compare", "claims", "evaluate"):
        assert main(arguments(command, run, tmp_path)) == 0
        assert capsys.readouterr().err.count("not verified") == 1
    assert "not verified" in shown(run, capsys)


def test_an_evaluation_that_contradicts_the_journal_is_not_written(run: Path) -> None:
    """Without any hash: of an older version, a model whose weights are others."""
    import torch
    from safetensors.torch import load_file, save_file

    unseal(run)
    before = (run / "evaluation.json").read_bytes()
    weights = load_file(run / MODEL)
    save_file({name: torch.randn_like(weight) for name, weight in weights.items()}, run / MODEL, {"format": "pt"})
    with pytest.raises(InputError, match=r"contradicts itself: the accuracy on \w+ is .* last line of its journal"):
        grokcore.evaluate_model(run)
    assert (run / "evaluation.json").read_bytes() == before


def test_a_comparison_refuses_an_evaluation_that_contradicts_the_journal(
    run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unseal(run)
    document = json.loads((run / "evaluation.json").read_text())
    split = next(iter(document["splits"].values()))
    split["accuracy"] = 1 - round(split["accuracy"])
    (run / "evaluation.json").write_text(json.dumps(document))
    assert main(arguments("compare", run, tmp_path)) == 2
    assert "contradicts itself" in capsys.readouterr().err


@pytest.mark.parametrize(
    "change",
    [
        lambda line: line.update(step=10**300),
        lambda line: line.update(step=-1),
        lambda line: line["train"].update(accuracy=1e308),
        lambda line: line["train"].update(accuracy=-0.1),
        lambda line: line["train"].update(loss=1e308),
    ],
    ids=["step", "negative step", "accuracy", "negative accuracy", "loss"],
)
@pytest.mark.parametrize("command", ["report", "compare", "evaluate"])
def test_numbers_that_no_training_writes_are_refused(
    command: str, change: Callable[[dict], None], run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    unseal(run)
    lines = [json.loads(line) for line in (run / JOURNAL).read_text().splitlines()]
    change(lines[-1])
    (run / JOURNAL).write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert main(arguments(command, run, tmp_path)) == 2
    assert "damaged" in capsys.readouterr().err


def test_a_run_that_goes_on_breaks_its_seal_and_seals_anew(run: Path, smoke_data: Path) -> None:
    steps = read_manifest(run).exit_reason
    assert steps == "budget_steps"
    seen = []

    def look(line: object) -> None:
        seen.append(read_manifest(run).seal)

    grokcore.train_model(load_spec("smoke", ["training.max_steps=90"]), smoke_data, run, on_evaluation=look)
    assert seen
    assert set(seen) == {None}
    assert read_manifest(run).seal is not None
    grokcore.evaluate_model(run)


def test_the_model_of_an_earlier_end_is_not_taken_for_that_of_a_stopped_run(run: Path, smoke_data: Path) -> None:
    manifest = json.loads((run / MANIFEST).read_text()) | {"exit_reason": "stopped", "seal": None}
    (run / MANIFEST).write_text(json.dumps(manifest))
    before = (run / "evaluation.json").read_bytes()
    with pytest.raises(InputError, match="has not ended, and its model is of an earlier end"):
        grokcore.evaluate_model(run)
    assert (run / "evaluation.json").read_bytes() == before
