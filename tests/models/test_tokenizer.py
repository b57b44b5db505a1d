"""The tokenizer beside a saved model, as transformers reads it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, pipeline

from grokcore.models.tokenizer import save_tokenizer
from grokcore.spec import GLA, GPT2, RWKV6, LLaMA, Mamba, ModularTask, RetNet
from grokcore.tasks import build_task
from tests.models.tiny_models import tiny_model
from tests.tasks.small_tasks import SMALL, texts

VOCABULARY = ("<e_0>", "<e_island 1>", "<e_%3C>", "<attr_1>", "<+>", "</>", "<=>", "</a>")


def saved(directory: Path) -> Any:
    save_tokenizer(directory, VOCABULARY, VOCABULARY.index("</a>"))
    return AutoTokenizer.from_pretrained(directory, local_files_only=True)


@pytest.mark.parametrize("task", [*SMALL.values(), ModularTask(modulus=7, operation="/")], ids=lambda task: task.kind)
def test_every_question_is_encoded_as_the_data_set_does(task: Any, tmp_path: Path) -> None:
    data = build_task(task)
    save_tokenizer(tmp_path, data.vocabulary, data.eos)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path, local_files_only=True)
    assert len(tokenizer) == len(data.vocabulary)
    assert tokenizer.convert_tokens_to_ids(list(data.vocabulary)) == list(range(len(data.vocabulary)))
    assert (tokenizer.eos_token_id, tokenizer.pad_token_id) == (data.eos, None)
    for rows in data.probes.values():
        part = rows[slice(20)]
        for (question, answer), ids in zip(texts(data, part), part.tokens.tolist(), strict=True):
            expected = [*ids[: len(question)], data.vocabulary.index(answer), data.eos]
            tokens = [*question, answer, "</a>"]
            assert tokenizer(" ".join(tokens))["input_ids"] == tokenizer("".join(tokens))["input_ids"] == expected
            assert tokenizer.decode(expected) == " ".join(tokens)


def test_names_may_have_spaces_and_signs(tmp_path: Path) -> None:
    tokenizer = saved(tmp_path)
    text = "  <e_island 1>  <+><e_%3C>\n</> <=> "
    assert tokenizer(text)["input_ids"] == [1, 4, 2, 5, 6]


@pytest.mark.parametrize("text", ["hello", "<e_0> and", "<e_99>", "<e_0"])
def test_text_that_is_no_token_is_refused(text: str, tmp_path: Path) -> None:
    tokenizer = saved(tmp_path)
    with pytest.raises(Exception, match="UNK"):
        tokenizer(text)


@pytest.mark.parametrize("kind", [GPT2, LLaMA, Mamba, RetNet, GLA, RWKV6])
def test_it_is_found_beside_a_model_of_any_architecture(kind: Any, tmp_path: Path) -> None:
    tiny_model(kind, implementation="fast").save(tmp_path)
    assert saved(tmp_path)("<e_0> <attr_1>")["input_ids"] == [0, 3]


def test_a_pipeline_answers(tmp_path: Path) -> None:
    model = tiny_model(GPT2, implementation="fast")
    model.save(tmp_path)
    save_tokenizer(tmp_path, [f"<{number}>" for number in range(model.vocabulary_size)], eos=39)
    answers = pipeline("text-generation", model=str(tmp_path), device="cpu")
    [answer] = answers("<3> <5>", max_new_tokens=1, do_sample=False)
    theirs = AutoModelForCausalLM.from_pretrained(tmp_path, local_files_only=True)
    expected = theirs(torch.tensor([[3, 5]])).logits[0, -1].argmax().item()
    assert answer["generated_text"].replace(" ", "") == f"<3><5><{expected}>"
