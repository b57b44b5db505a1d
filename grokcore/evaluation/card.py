"""The card of a trained model: a README.md with front matter, as model hubs show it beside the weights.

It holds what follows from spec, manifest and journal alone, so that every way to train or to write the same model
gives the same bytes: no clock, no machine, no place of a file.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from grokcore.data import Dataset
from grokcore.evaluation.judging import times_in
from grokcore.evaluation.phases import Lines, evidence, phases_of
from grokcore.models import ARCHITECTURES
from grokcore.runs.evaluation import TRAINING_SET, Times, verdict_of
from grokcore.runs.manifest import Manifest
from grokcore.spec import ExperimentSpec
from grokcore.storage import clear_errors

CARD = "README.md"

_HIDDEN = frozenset({"start_from"})
"""Choices that the card says in words, since they may name places."""

_VERDICTS = (
    "A split is *sustained* at the first step from which its accuracy holds {threshold:g}. *Grokked*: sustained, and "
    "at least {delay:g} times as late as the training set. *Generalized*: sustained, but not so late. *Collapsed*: "
    "sustained, then lost. *Censored*: not sustained by this step."
)
_LIMITS = (
    "It knows no language: it was trained from the rows of one dataset, for research into how and when small networks "
    "generalize. Its answers to questions of another form mean nothing, and where the facts were drawn at random they "
    "say nothing about the world."
)
_QUESTIONS = (
    "A question is a sequence of tokens, with spaces between them or none; text outside of the vocabulary is refused. "
    "Its answer is one token. There is no padding token: ask questions of different lengths one by one."
)


class Example(NamedTuple):
    """A row of the dataset as text, its tokens with spaces between them."""

    question: str
    answer: str


def example_of(dataset: Dataset) -> Example:
    """The first probe of the split that runs on this dataset are about."""
    rows = dataset.probes()[dataset.info.with_role("held_out")[-1]]
    question = rows.tokens[0, : rows.lengths[0]].tolist()
    return Example(" ".join(dataset.vocabulary[token] for token in question), dataset.vocabulary[int(rows.answers[0])])


def write_model_card(
    folder: Path,
    spec: ExperimentSpec,
    manifest: Manifest,
    lines: Lines,
    step: int,
    example: Example | None,
    exit_reason: str | None,
) -> None:
    """Write the card of the model in `folder`.

    Args:
        lines: the journal up to the model's step.
        step: that step, which need not have been evaluated.
        example: a question to ask it; None if the dataset is out of reach.
        exit_reason: why training ended there; None for a model of an earlier step.

    Raises:
        InputError: the folder cannot be written.
    """
    parts = [
        f"---\n{yaml.safe_dump(_front_matter(spec, manifest), sort_keys=False, allow_unicode=True)}---",
        f"# {_text(manifest.name)}: {ARCHITECTURES[spec.model.architecture].title} on {spec.task.kind}",
        *_introduction(manifest),
        "\n".join(_facts(spec, manifest, step, exit_reason)),
        "## What it has learned",
        "\n".join(_results(spec, lines)),
        _VERDICTS.format(threshold=spec.evaluation.threshold, delay=spec.evaluation.delay),
        "## How to load it",
        *_loading(manifest, example),
        "## What it is not for",
        _LIMITS,
        "## Every choice",
        "\n".join(_choices(manifest)),
    ]
    with clear_errors("write", folder):
        (folder / CARD).write_bytes(("\n\n".join(parts) + "\n").encode())


def _front_matter(spec: ExperimentSpec, manifest: Manifest) -> dict[str, Any]:
    known = manifest.model.files == "transformers"
    return {
        "library_name": "transformers" if known else "grokcore",
        **({"pipeline_tag": "text-generation"} if known else {}),
        "tags": ["grokcore", "grokking", spec.model.architecture, spec.task.kind],
    }


def _introduction(manifest: Manifest) -> Iterator[str]:
    yield (
        "A small model that [grokcore](https://github.com/grokcore/grokcore) trained far past overfitting, to study "
        "grokking: the sudden generalization of a network long after it has fitted its training set."
    )
    if manifest.source is not None:
        run = "a model outside of a run" if manifest.source.run_id is None else f"run `{manifest.source.run_id}`"
        yield f"It starts from weights of {run} (SHA-256 `{manifest.source.sha256}`)."


def _facts(spec: ExperimentSpec, manifest: Manifest, step: int, exit_reason: str | None) -> Iterator[str]:
    architecture, model = ARCHITECTURES[spec.model.architecture], manifest.model
    seeds = ", ".join(f"{name} {seed}" for name, seed in manifest.seeds.items())
    end = "a step before the end of its training" if exit_reason is None else f"the end of its training ({exit_reason})"
    yield "| | |"
    yield "|---|---|"
    yield f"| architecture | `{spec.model.architecture}`: {architecture.title}, {architecture.mixing} |"
    inside = f"{model.parameters_without_embeddings:,} in blocks and the final norm"
    yield f"| parameters | {model.parameters:,}, of which {inside} |"
    yield f"| task | `{spec.task.kind}`, {model.vocabulary_size:,} tokens |"
    yield f"| dataset id | `{manifest.dataset.id}` |"
    yield f"| run id | `{manifest.run_id}` |"
    yield f"| seed | {spec.seed} ({seeds}) |"
    yield f"| trained for | {step:,} steps of {spec.training.batch_size:,} examples |"
    yield f"| saved at | {end} |"
    if manifest.uses_held_out:
        yield "| held-out data | decided how it was trained: it is ranked with no model that did without them |"
    made_by = [f"{name} {manifest.versions[name]}" for name in ("grokcore", "torch") if name in manifest.versions]
    yield f"| made by | {', '.join(made_by)} |"


def _results(spec: ExperimentSpec, lines: Lines) -> Iterator[str]:
    held_out, seen, last = spec.task.held_out_splits, evidence(lines, spec.training), lines[-1]
    phases = phases_of(lines, held_out, spec)
    steps = {name: _sustained(times_in(seen, name, spec)) for name in ("train", *held_out)}
    yield f"| split | accuracy at step {last['step']:,} | sustained at step | verdict |"
    yield "|---|---|---|---|"
    yield f"| {TRAINING_SET} | {_share(last['train']['accuracy'])} | {_step(steps['train'])} | |"
    for split in held_out:
        collapsed = phases[split]["collapsed"]
        verdict = verdict_of(steps[split], steps["train"], collapsed, delay=spec.evaluation.delay)
        yield f"| `{split}` | {_share(last['splits'][split]['accuracy'])} | {_step(steps[split])} | {verdict} |"


def _sustained(times: Times) -> int | None:
    return None if times.sustained is None else times.sustained.steps


def _share(accuracy: float | None) -> str:
    return "not finite" if accuracy is None else f"{accuracy:.3f}"


def _step(step: int | None) -> str:
    return "-" if step is None else f"{step:,}"


def _loading(manifest: Manifest, example: Example | None) -> Iterator[str]:
    """How to ask it a question, `FOLDER` standing for the place of the card."""
    question = "QUESTION" if example is None else example.question
    if manifest.model.files == "transformers":
        yield (
            "```python\n"
            "from transformers import pipeline\n\n"
            'ask = pipeline("text-generation", model="FOLDER")\n'
            f"print(ask({json.dumps(question, ensure_ascii=False)}, return_full_text=False))\n"
            "```"
        )
        yield "`AutoModelForCausalLM` and `AutoTokenizer` load the folder, too."
    else:
        yield (
            "transformers has no model of this kind, so `AutoModelForCausalLM` refuses the folder; grokcore loads it:"
        )
        yield (
            "```python\n"
            "import grokcore, torch\n"
            "from transformers import AutoTokenizer\n\n"
            'model, tokenizer = grokcore.load_model("FOLDER"), AutoTokenizer.from_pretrained("FOLDER")\n'
            f"tokens = tokenizer({json.dumps(question, ensure_ascii=False)}, "
            'return_tensors="pt")["input_ids"]\n'
            "logits = model(tokens, torch.tensor([[tokens.shape[1] - 1]]))  # (1, 1, vocabulary)\n"
            "print(tokenizer.decode(logits[0].argmax(-1)))\n"
            "```"
        )
    if example is not None:
        yield f"In the dataset, the answer to this question is `{example.answer}`."
    yield _QUESTIONS


def _choices(manifest: Manifest) -> Iterator[str]:
    yield "| field | value |"
    yield "|---|---|"
    for name, value in manifest.choices.items():
        if name not in _HIDDEN and value is not None:
            shown = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
            yield f"| `{name}` | {_text(shown)} |"


def _text(text: str) -> str:
    """Text of others as Markdown that shows it as it is."""
    return "".join(f"\\{character}" if character in r"\`*_{}[]<>#|&!~" else character for character in text)
