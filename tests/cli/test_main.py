"""The command line as a person meets it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from grokcore.cli import main
from grokcore.spec import load_spec, preset_names


def test_presets_lists_each_with_what_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["presets"]) == 0
    shown = capsys.readouterr().out
    for name in preset_names():
        assert any(line.startswith(name) for line in shown.splitlines())


def test_spec_prints_what_a_file_can_hold(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert main(["spec", "smoke", "--set", "model.layers=2", "--seed", "4"]) == 0
    text = capsys.readouterr().out
    (tmp_path / "mine.yaml").write_text(text)
    spec = load_spec(str(tmp_path / "mine.yaml"))
    assert (spec.model.layers, spec.seed) == (2, 4)
    assert f"# run_id: {spec.run_id}" in text
    assert yaml.safe_load(text)["name"] == "smoke"


@pytest.mark.parametrize("kind", ["spec", "dataset", "manifest", "evaluation"])
def test_schemas_are_printed_as_json(kind: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["spec", "--schema", kind]) == 0
    schema = json.loads(capsys.readouterr().out)
    assert schema["type"] == "object"
    assert len(schema["properties"]) > 5


def test_every_field_of_the_spec_says_what_it_is() -> None:
    from grokcore.spec import ExperimentSpec

    definitions = ExperimentSpec.model_json_schema()["$defs"]
    fields = [(name, field, body) for name, d in definitions.items() for field, body in d["properties"].items()]
    assert len(fields) > 60
    silent = [f"{name}.{field}" for name, field, body in fields if not body.get("description")]
    assert {field.partition(".")[2] for field in silent} == {"kind", "architecture"}


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["run", "dmo"], "did you mean demo"),
        (["run", "smoke", "--set", "model.layer=2"], "model.layer: there is no such field"),
        (["run", "thesis", "--set", "training.device=cpu"], "use --set training.precision=bf16"),
        (
            ["run", "thesis", "--set", "model.architecture=llama", "--set", "training.device=cpu"],
            "fp16 needs a CUDA GPU",
        ),
        (["run", "smoke", "--set", "training.device=cuda"], "torch sees no CUDA GPU here"),
        (["generate", "smoke", "--out", "/proc/nowhere/data"], "cannot write"),
        (["train", "smoke", "--data", "absent", "--out", "run"], "absent"),
        (["evaluate", "absent"], "is not a run"),
        (["report", "absent", "--out", "x.html"], "absent"),
        (["watch", "absent"], "is not a run"),
        (["watch", "ftp://host/run"], "ftp:// is not supported"),
        (["run", "smoke", "--out", "s3://bucket/store"], "is not on this machine: give a path"),
        (["spec"], "give a SPEC or --schema"),
    ],
)
def test_wrong_input_is_one_line_and_exit_code_2(
    arguments: list[str], said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("grokcore.spec.hardware.has_cuda", lambda: False)
    assert main(arguments) == 2
    output = capsys.readouterr()
    assert said in output.err
    assert output.err.startswith("grokcore: ")
    assert len([line for line in output.err.splitlines() if "dropped" not in line]) == 1
    assert list(tmp_path.iterdir()) == [], "nothing half-written is left behind"


def test_usage_errors_exit_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["train", "smoke"])
    assert caught.value.code == 2
    assert "--data" in capsys.readouterr().err


def test_the_stages_by_hand(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data, run, page = tmp_path / "data", tmp_path / "run", tmp_path / "page.html"
    short = ["--set", "training.max_steps=10"]
    assert main(["generate", "smoke", "--out", str(data)]) == 0
    assert "majority baseline" in capsys.readouterr().out
    assert main(["train", "smoke", *short, "--data", data.as_uri(), "--out", run.as_uri()]) == 0
    trained = capsys.readouterr()
    assert "budget_steps after 10 steps" in trained.out
    assert "step 10/10" in trained.err
    assert main(["report", str(run), "--out", str(page)]) == 2
    assert f"grokcore evaluate {run}" in capsys.readouterr().err
    assert not page.exists()
    assert main(["evaluate", str(run)]) == 0
    assert "censored: not reached by step 10" in capsys.readouterr().out
    assert main(["report", str(run), "--out", str(page)]) == 0
    assert page.stat().st_size < 3_000_000
    assert main(["watch", str(run)]) == 0
    watched = capsys.readouterr().out.splitlines()
    assert watched[-1] == "budget_steps at step 10"
    assert len(watched) > 5


def test_a_reader_that_leaves_early_is_no_error(smoke_run: Path) -> None:
    command = f"{sys.executable} -m grokcore spec demo | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=True)
    assert done.stderr == ""


def test_a_tampered_dataset_is_refused_before_anything_is_written(smoke_data: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(smoke_data, data)
    file = data / "train.parquet"
    content = bytearray(file.read_bytes())
    content[100] ^= 1
    file.write_bytes(content)
    assert main(["train", "smoke", "--data", str(data), "--out", str(tmp_path / "run")]) == 2
    assert not (tmp_path / "run").exists()
