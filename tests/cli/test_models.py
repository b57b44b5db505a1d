"""`grokcore models`: the registry as a table and as JSON."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from grokcore.cli import main
from grokcore.models import ARCHITECTURES


def shown(capsys: pytest.CaptureFixture[str], *arguments: str) -> str:
    assert main(["models", *arguments]) == 0
    return capsys.readouterr().out


def test_every_architecture_has_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    header, *lines = shown(capsys).split("\n\n")[0].splitlines()

    assert header.split()[0] == "model.architecture"
    assert [line.split()[0] for line in lines] == list(ARCHITECTURES)
    gpt2 = next(line for line in lines if line.startswith("gpt2"))
    assert all(cell in gpt2 for cell in ("GPT-2", "softmax attention", "198,272", "256 a token", "GPT2LMHeadModel"))
    deltanet = next(line for line in lines if line.startswith("deltanet"))
    assert all(cell in deltanet for cell in ("arXiv 2406.06484", "grokcore alone"))


def test_deviations_from_papers_and_code_are_told(capsys: pytest.CaptureFixture[str]) -> None:
    told = " ".join(shown(capsys).split("\n\n")[1].split())
    as_json = {entry["architecture"]: entry["deviations"] for entry in json.loads(shown(capsys, "--json"))}

    for name in ("linear_attention", "retnet", "gla", "deltanet", "mamba2", "rwkv6"):
        assert ARCHITECTURES[name].deviations
        assert f" {name} " in told
    for name, architecture in ARCHITECTURES.items():
        assert as_json[name] == list(architecture.deviations)
        for deviation in architecture.deviations:
            assert deviation in told
            assert deviation.endswith(".")


def test_json_has_the_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    entries = {entry["architecture"]: entry for entry in json.loads(shown(capsys, "--json"))}

    assert entries["mamba2"]["transformers_class"] == "Mamba2ForCausalLM"
    assert entries["rwkv6"]["transformers_class"] is None
    assert entries["linear_attention"]["state"] == 128 * 128 // 4 + 128  # a matrix per head, and the sum of its keys
    assert not entries["linear_attention"]["state_per_token"]
    assert entries["llama"]["state_per_token"]


def test_sizes_are_those_of_the_spec_that_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    entries = {entry["architecture"]: entry for entry in json.loads(shown(capsys, "thesis", "--json"))}

    assert entries["gpt2"]["parameters_per_block"] == 12 * 768**2 + 13 * 768
    assert entries["linear_attention"]["state"] == 768 * 768 // 12 + 768


def test_a_size_that_not_every_architecture_can_have_is_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "spec.yaml").write_text("model: {architecture: gpt2, width: 33, heads: 3}\n")

    assert main(["models", str(tmp_path / "spec.yaml")]) == 2
    error = capsys.readouterr().err
    assert "width/heads = 11 must be even" in error
    assert error.count("\n") == 1
