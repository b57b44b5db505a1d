"""What a stranger does with the model of a run: only transformers and huggingface_hub, no grokcore, no network."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import grokcore
from grokcore.data import open_dataset
from grokcore.spec import load_spec
from tests.support.stranger import stranger

ASK = """
import json, sys
from huggingface_hub import ModelCard
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

folder, questions = sys.argv[1], json.loads(sys.argv[2])
ask = pipeline("text-generation", model=folder, device="cpu")
card = ModelCard.load(folder + "/README.md")
tokenizer = AutoTokenizer.from_pretrained(folder)
print(json.dumps({
    "answers": [ask(question, return_full_text=False)[0]["generated_text"].strip() for question in questions],
    "batch": [one[0]["generated_text"] for one in ask(questions)],
    "ids": [tokenizer(question)["input_ids"] for question in questions],
    "special": tokenizer.special_tokens_map,
    "class": type(AutoModelForCausalLM.from_pretrained(folder)).__name__,
    "card": card.data.to_dict(),
    "grokcore": "grokcore" in sys.modules,
}))
"""


@pytest.fixture(scope="module")
def fitted(smoke_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run that has fitted its training set."""
    overrides = ["max_steps=250", "learning_rate=0.01", "weight_decay=0", "checkpoint_interval=100"]
    spec = load_spec("smoke", [*(f"training.{field}" for field in overrides), "evaluation.interval=250"])
    run = tmp_path_factory.mktemp("fitted") / "run"
    grokcore.train_model(spec, smoke_data, run)
    return run


def test_a_pipeline_answers_questions_of_the_dataset_right(fitted: Path, smoke_data: Path, tmp_path: Path) -> None:
    dataset = open_dataset(smoke_data)
    rows = dataset.train()[slice(0, 400, 40)]
    ids = [row[:length].tolist() for row, length in zip(rows.tokens, rows.lengths, strict=True)]
    questions = [" ".join(dataset.vocabulary[token] for token in question) for question in ids]
    assert {len(question) for question in ids} == {2, 5}

    told = stranger(ASK, str(fitted / "model"), json.dumps(questions), home=tmp_path)

    assert told["answers"] == [dataset.vocabulary[answer] for answer in rows.answers]
    assert told["batch"] == [question + answer for question, answer in zip(questions, told["answers"], strict=True)]
    assert told["ids"] == ids
    assert told["special"] == {"eos_token": "</a>"}
    assert told["class"] == "GPT2LMHeadModel"
    assert told["card"] == {
        "library_name": "transformers",
        "pipeline_tag": "text-generation",
        "tags": ["grokcore", "grokking", "gpt2", "comparison"],
    }
    assert not told["grokcore"]


@pytest.mark.parametrize("architecture", ["llama", "rwkv", "mamba"])
def test_every_architecture_that_transformers_knows_answers(
    architecture: str, smoke_data: Path, tmp_path: Path
) -> None:
    spec = load_spec("smoke", [f"model.architecture={architecture}", "model.layers=2", "training.max_steps=2"])
    grokcore.train_model(spec, smoke_data, tmp_path / "run")
    question = "<attr_1> <q> <e_3> <mask> <e_5>"
    told = stranger(ASK, str(tmp_path / "run/model"), json.dumps([question]), home=tmp_path)
    assert told["batch"] == [question + told["answers"][0]]
    assert told["card"]["tags"][2] == architecture


FOREIGN = """
import json, sys
from transformers import AutoModelForCausalLM, AutoTokenizer
from huggingface_hub import ModelCard

folder = sys.argv[1]
try:
    AutoModelForCausalLM.from_pretrained(folder)
    refused = None
except ValueError as error:
    refused = str(error)
ids = AutoTokenizer.from_pretrained(folder)("<e_3> <attr_1>")["input_ids"]
card = ModelCard.load(folder + "/README.md")
print(json.dumps({"refused": refused, "ids": ids, "library": card.data.library_name, "text": card.text}))
"""


@pytest.mark.parametrize("overrides", [["model.architecture=gla"], ["model.memory={kind: slots, slots: 4}"]])
def test_a_model_that_transformers_lacks_says_what_loads_it(
    overrides: list[str], smoke_data: Path, tmp_path: Path
) -> None:
    spec = load_spec("smoke", [*overrides, "training.max_steps=2"])
    grokcore.train_model(spec, smoke_data, tmp_path / "run")
    told = stranger(FOREIGN, str(tmp_path / "run/model"), home=tmp_path)
    assert "model type" in told["refused"]
    assert told["ids"] == [3, 41]
    assert told["library"] == "grokcore"
    assert "pipeline(" not in told["text"]
    code = told["text"].split("```python\n")[1].split("```")[0].replace("FOLDER", str(tmp_path / "run/model"))
    shown = subprocess.run(
        [sys.executable, "-c", code], env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True
    )
    assert shown.returncode == 0, shown.stderr
    assert shown.stdout.strip().startswith("<")
