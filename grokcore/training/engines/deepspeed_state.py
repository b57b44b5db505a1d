"""The full state of DeepSpeed's engine, under the names that the native engine's state has.

So a checkpoint depends neither on the number of processes nor on what ZeRO shards over them. DeepSpeed's own
`save_checkpoint` pickles, and is not used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from grokcore.training.distributed.group import Command, Group
from grokcore.training.optimizers.optimizer import Optimizer
from grokcore.training.state import norm_of


class DeepSpeedState:
    """Full fp32 weights and optimizer state, gathered from all ranks.

    Attributes:
        model: computes with the current weights, for evaluation.
        weights: the model's own, in the optimizer's order.
    """

    def __init__(
        self,
        model: nn.Module,
        computing: Any,
        optimizer: Optimizer,
        weights: Sequence[Tensor],
        engine: Any,
        *,
        stage: int,
        group: Group,
    ) -> None:
        """
        Args:
            computing: the module that computes with the model's weights as DeepSpeed stores them.
            stage: of ZeRO; from 1 on, weights and optimizer state are sharded over the processes.
        """
        self._model, self._optimizer, self._engine, self._group = model, optimizer, engine, group
        self.model = computing
        self.weights = list(weights)
        self._sharded = stage > 0
        optimizer.prepare()
        if self._sharded:
            engine.optimizer._lazy_init_hp_params_optimizer_state()  # otherwise it waits for a first step

    @property
    def master_weights(self) -> list[Tensor]:
        """The tensors that this process's optimizer updates: one for each weight, or flat shards."""
        return [weight for group in self._optimizer.param_groups for weight in group["params"]]

    @torch.no_grad()
    def reset(self, exact: Mapping[int, Tensor]) -> None:
        """Start from weights that were not rounded, by the ids of the model's own, and with zero optimizer state."""
        for state in self._optimizer.state.values():
            for tensor in state.values():
                tensor.zero_()
        self._set({id(weight): exact[id(weight)] for weight in self.weights})

    def tensors(self) -> dict[str, Tensor]:
        """Gather all tensors in every process, as copies if sharded; all processes have to call it."""
        own = {id(weight): name for name, weight in self._model.named_parameters()}
        tensors = {f"model.{name}": parameter.detach() for name, parameter in self._model.named_parameters()}
        tensors |= {f"model.{name}": buffer for name, buffer in self._model.named_buffers()}
        for number, (weight, master) in enumerate(zip(self.weights, self._gathered(), strict=True)):
            tensors[f"model.{own[id(weight)]}"] = master
            for name in self._moments(number):
                tensors[f"optimizer.{number}.{name}"] = self._gathered_state(weight, number, name)
        for name, value in self._counters().items():
            tensors[f"optimizer.0.{name}"] = value
        return tensors

    def shapes(self) -> dict[str, torch.Size]:
        shapes = {f"model.{name}": one.shape for name, one in self._model.named_parameters()}
        shapes |= {f"model.{name}": one.shape for name, one in self._model.named_buffers()}
        for number, weight in enumerate(self.weights):
            shapes |= {f"optimizer.{number}.{name}": weight.shape for name in self._moments(number)}
        return shapes | {f"optimizer.0.{name}": torch.Size([]) for name in self._counters()}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Load the full state; each process keeps its shard."""
        own = {id(weight): name for name, weight in self._model.named_parameters()}
        for name, buffer in self._model.named_buffers():
            buffer.copy_(tensors[f"model.{name}"])
        self._set({id(weight): tensors[f"model.{own[id(weight)]}"] for weight in self.weights})
        for number, weight in enumerate(self.weights):
            for name in self._moments(number):
                self._set_state(weight, number, name, tensors[f"optimizer.{number}.{name}"])
        for name, value in self._counters().items():
            value.copy_(tensors[f"optimizer.0.{name}"])

    def weight_norm(self) -> float:
        """Return the L2 norm of all weights; if they are sharded, all processes take part."""
        if not self._sharded:
            return norm_of(list(torch._foreach_norm(self.master_weights)))
        self._group.command(Command.NORM)
        return self.local_norm()

    def local_norm(self) -> float:
        """Do this process's part of `weight_norm`; the padding of the last shard is 0."""
        norms = torch.stack(torch._foreach_norm(self.master_weights)).double()
        squares = norms.square().sum()
        self._all_reduce(squares)
        return float(squares.sqrt().item())

    def consolidate(self) -> None:
        """Copy the full fp32 weights into the model; all processes take part."""
        self._group.command(Command.CONSOLIDATE)
        self.local_consolidate()

    def local_consolidate(self) -> None:
        """Do this process's part of `consolidate`."""
        full = [master.detach().clone() for master in self._gathered()]
        for weight, master in zip(self.weights, full, strict=True):
            weight.data = master

    @torch.no_grad()
    def fill_with_nan(self) -> None:
        """Set all weights to NaN, as applying a nonfinite gradient would."""
        for master in self.master_weights:
            master.fill_(torch.nan)
        self.copy_to_model()

    @torch.no_grad()
    def copy_to_model(self) -> None:
        """Copy the master weights to those that the model computes with."""
        if self._sharded:
            self._engine.optimizer.update_lp_params()
            return
        for weight, master in zip(self.weights, self.master_weights, strict=True):
            if weight is not master:
                weight.copy_(master)

    def _gathered(self) -> list[Tensor]:
        if not self._sharded:
            return [master.detach() for master in self.master_weights]
        from deepspeed.utils import safe_get_full_fp32_param

        return [safe_get_full_fp32_param(weight) for weight in self.weights]

    def _gathered_state(self, weight: Tensor, number: int, name: str) -> Tensor:
        if not self._sharded:
            return self._optimizer.state[self.master_weights[number]][name]  # type: ignore[no-any-return]
        from deepspeed.utils import safe_get_full_optimizer_state

        return safe_get_full_optimizer_state(weight, name)  # type: ignore[no-any-return]

    def _set(self, values: Mapping[int, Tensor]) -> None:
        from deepspeed.utils import safe_set_full_fp32_param

        for weight, master in zip(self.weights, self.weights if self._sharded else self.master_weights, strict=True):
            value = values[id(weight)]
            if self._sharded:
                safe_set_full_fp32_param(weight, value.to(weight.device, torch.float32))
            else:
                master.copy_(value)
        self.copy_to_model()

    def _set_state(self, weight: Tensor, number: int, name: str, value: Tensor) -> None:
        if not self._sharded:
            self._optimizer.state[self.master_weights[number]][name].copy_(value)
            return
        from deepspeed.utils import safe_set_full_optimizer_state

        safe_set_full_optimizer_state(weight, value.to(weight.device, torch.float32), name)

    def _moments(self, number: int) -> list[str]:
        """Return the names of a weight's own state; what ZeRO divides has the same for all weights."""
        masters = self.master_weights
        state = self._optimizer.state[masters[0] if self._sharded else masters[number]]
        return [name for name, value in state.items() if value.ndim or name not in self._counters()]

    def _counters(self) -> dict[str, Tensor]:
        """Return the state that all weights share, such as the number of steps."""
        return {name: value for name, value in self._optimizer.state[self.master_weights[0]].items() if not value.ndim}

    def _all_reduce(self, value: Tensor) -> None:
        torch.distributed.all_reduce(value)
