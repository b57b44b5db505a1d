"""The conditions of the public code of arXiv 2405.15071, written anew with transformers.

    input    <attr_3> <q> <e_17> <mask> <e_5> <attr_3_0> </a> <pad> <pad> <pad>      always 10 tokens
    labels     -100   -100  -100   -100  -100 <attr_3_0> </a> -100  -100  -100

GPT2LMHeadModel over GPT-2's own vocabulary with the task's tokens added (50,257 + 1,106, rounded up to 51,368 for the
thesis' task), so that logits of all of them are computed at all 10 positions, whatever is supervised; a DataLoader of
Python dicts and torch's default collation; autocast without compilation; torch's AdamW with its defaults (one tensor
after the other on a CPU, `foreach` on a GPU); `loss.item()` twice a step, after the forward and after the backward
pass. Like the public code it passes no attention mask. More lenient than it: no dropout (as in the thesis), no
progress bar, no cache of keys and values.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.data import DataLoader

from ci.benchmarks.work import Work
from grokcore.data import Dataset, open_dataset
from grokcore.errors import InputError
from grokcore.spec import GPT2, ExperimentSpec

GPT2_VOCABULARY = 50_257
PADDING = GPT2_VOCABULARY - 1
"""GPT-2's <|endoftext|>, which the public code pads with."""
LENGTH = 10
FORMATS = {"bf16": torch.bfloat16, "fp16": torch.float16}
IGNORED = -100
"""The label that cross-entropy leaves out."""


def vocabulary_size(task_tokens: int) -> int:
    """Rows of the embedding and of the head: all tokens, rounded up to a multiple of 8."""
    return -(-(GPT2_VOCABULARY + task_tokens) // 8) * 8


@contextmanager
def reference(spec: ExperimentSpec, data: Path, device: torch.device) -> Iterator[Reference]:
    torch.set_num_threads(spec.training.threads or torch.get_num_threads())
    torch.manual_seed(spec.init_seed)
    yield Reference(spec, data, device)


class Reference:
    """One optimizer step after another, as `Seq2SeqModel.train` of the public code takes them."""

    def __init__(self, spec: ExperimentSpec, data: Path, device: torch.device) -> None:
        if not isinstance(spec.model, GPT2):
            raise InputError(f"the public code trains GPT-2 alone, not {spec.model.architecture}")
        dataset, training = open_dataset(data, expected_id=spec.dataset_id), spec.training
        self._device, self._precision, self._clip = device, training.precision, training.gradient_clip
        self._examples = examples(dataset, training.loss_on)
        self._batch_size = training.batch_size
        self._batches = self._endless_batches()
        self._model = build(spec.model, dataset.info.vocabulary_size).to(device).train()
        self._optimizer = torch.optim.AdamW(
            _decay_groups(self._model, training.weight_decay),
            lr=training.learning_rate,
            betas=training.betas,
            eps=training.epsilon,
        )
        warmup = max(training.warmup_steps, 1)
        self._schedule = torch.optim.lr_scheduler.LambdaLR(self._optimizer, lambda step: min(1.0, step / warmup))
        self._scaler = torch.amp.GradScaler(device.type, enabled=training.precision == "fp16")
        self._labels = torch.tensor(IGNORED)
        self._gradient_norm = torch.tensor(float("nan"))
        self.total_loss = 0.0
        self.execution = {"attention": "eager", "optimizer": "torch.optim.AdamW as it comes"}

    def step(self) -> None:
        batch = next(self._batches)
        self._labels = batch["labels"]
        inputs = {name: tensor.to(self._device) for name, tensor in batch.items()}
        with torch.autocast(self._device.type, FORMATS.get(self._precision), enabled=self._precision in FORMATS):
            loss = self._model(**inputs).loss
        self.total_loss += loss.item()
        self._scaler.scale(loss).backward()
        self.total_loss += loss.item()
        self._scaler.unscale_(self._optimizer)
        self._gradient_norm = nn.utils.clip_grad_norm_(self._model.parameters(), self._clip or float("inf"))
        self._scaler.step(self._optimizer)
        self._scaler.update()
        self._schedule.step()
        self._optimizer.zero_grad()

    def work(self) -> Work:
        outside = [self._model.transformer.wte.weight, self._model.transformer.wpe.weight]
        total = sum(parameter.numel() for parameter in self._model.parameters())
        return Work(
            examples=len(self._labels),
            supervised_tokens=int((self._labels != IGNORED).sum()),
            block_parameters=total - sum(weight.numel() for weight in outside),
            gradient_norm=None,  # of other logits than the others' have
        )

    def _endless_batches(self) -> Iterator[dict[str, Tensor]]:
        examples: Any = self._examples  # any sequence is a dataset
        loader: DataLoader[dict[str, Tensor]] = DataLoader(examples, batch_size=self._batch_size, shuffle=True)
        while True:
            yield from loader


def examples(dataset: Dataset, loss_on: str) -> list[dict[str, Tensor]]:
    """The training set as the dicts that the loader collates; `input_ids` and `labels` have 10 tokens each."""
    rows = dataset.train()
    count, asked = rows.tokens.shape
    index, lengths = torch.arange(count), torch.from_numpy(rows.lengths).long()
    inputs = torch.full((count, LENGTH), PADDING)
    question = torch.arange(asked) < lengths[:, None]
    inputs[:, :asked] = torch.where(question, torch.from_numpy(rows.tokens).long() + GPT2_VOCABULARY, PADDING)
    labels = torch.full((count, LENGTH), IGNORED)
    inputs[index, lengths] = torch.from_numpy(rows.answers).long() + GPT2_VOCABULARY
    inputs[index, lengths + 1] = dataset.info.eos + GPT2_VOCABULARY
    labels[index, lengths] = inputs[index, lengths]
    if loss_on == "answer_and_eos":
        labels[index, lengths + 1] = inputs[index, lengths + 1]
    return [{"input_ids": row, "labels": label} for row, label in zip(inputs, labels, strict=True)]


def build(spec: GPT2, task_tokens: int) -> Any:
    """GPT-2 of the spec's size as transformers builds it for training from scratch, attention as explicit products."""
    from transformers import GPT2Config, GPT2LMHeadModel

    model = GPT2LMHeadModel(
        GPT2Config(
            vocab_size=vocabulary_size(task_tokens),
            n_layer=spec.layers,
            n_embd=spec.width,
            n_head=spec.heads,
            n_inner=spec.mlp_width,
            resid_pdrop=0.0,
            embd_pdrop=0.0,
            attn_pdrop=0.0,
            use_cache=False,
            attn_implementation="eager",
        )
    )
    model.loss_type = "ForCausalLM"  # what transformers takes anyway, after a warning
    return model


def _decay_groups(model: nn.Module, weight_decay: float) -> list[dict[str, Any]]:
    """The public code's rule: everything is decayed but names that contain bias, LayerNorm.weight or ln."""
    groups: dict[bool, list[nn.Parameter]] = {True: [], False: []}
    for name, parameter in model.named_parameters():
        groups[not any(part in name for part in ("bias", "LayerNorm.weight", "ln"))].append(parameter)
    return [{"params": groups[True], "weight_decay": weight_decay}, {"params": groups[False], "weight_decay": 0.0}]
