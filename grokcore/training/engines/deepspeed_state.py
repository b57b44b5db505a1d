"""The fp32 weights and the optimiser's state that DeepSpeed trains, as a whole.

Collected under the names that the native engine's state has, so that a checkpoint does not depend on the number of
processes, nor on what ZeRO divides among them. DeepSpeed's own `save_checkpoint` pickles, and is not used.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from grokcore.training.distributed.group import Group, Order
from grokcore.training.optimizers.optimizer import Optimizer
from grokcore.training.state import norm_of


class Masters:
    """All that is trained, whoever of the group holds which part.

    Attributes:
        weights: the model's own, in the optimiser's order.
        masters: what the optimiser of this process changes: for each weight one, or flat parts where ZeRO divides them.
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
        self._model, self._optimizer, self._engine, self._group = model, optimizer, engine, group
        self.computing = computing
        self.weights = list(weights)
        self._divided = stage > 0
        optimizer.prepare()
        if self._divided:
            engine.optimizer._lazy_init_hp_params_optimizer_state()  # else it waits for a first step

    @property
    def masters(self) -> list[Tensor]:
        return [weight for group in self._optimizer.param_groups for weight in group["params"]]

    @torch.no_grad()
    def reset(self, exact: Mapping[int, Tensor]) -> None:
        """Begin with weights that were not rounded, by the ids of the model's own, and with no moments."""
        for state in self._optimizer.state.values():
            for tensor in state.values():
                tensor.zero_()
        self._set({id(weight): exact[id(weight)] for weight in self.weights})

    def tensors(self) -> dict[str, Tensor]:
        """All of it on every process, as copies where it is divided; all have to take part."""
        own = {id(weight): name for name, weight in self._model.named_parameters()}
        tensors = {f"model.{name}": parameter.detach() for name, parameter in self._model.named_parameters()}
        tensors |= {f"model.{name}": buffer for name, buffer in self._model.named_buffers()}
        for number, (weight, master) in enumerate(zip(self.weights, self._whole(), strict=True)):
            tensors[f"model.{own[id(weight)]}"] = master
            for name in self._moments():
                tensors[f"optimizer.{number}.{name}"] = self._whole_state(weight, number, name)
        for name, value in self._counters().items():
            tensors[f"optimizer.0.{name}"] = value
        return tensors

    def shapes(self) -> dict[str, torch.Size]:
        shapes = {f"model.{name}": one.shape for name, one in self._model.named_parameters()}
        shapes |= {f"model.{name}": one.shape for name, one in self._model.named_buffers()}
        for number, weight in enumerate(self.weights):
            shapes |= {f"optimizer.{number}.{name}": weight.shape for name in self._moments()}
        return shapes | {f"optimizer.0.{name}": torch.Size([]) for name in self._counters()}

    @torch.no_grad()
    def load(self, tensors: Mapping[str, Tensor]) -> None:
        """Take over the whole state, of which each process keeps its part."""
        own = {id(weight): name for name, weight in self._model.named_parameters()}
        for name, buffer in self._model.named_buffers():
            buffer.copy_(tensors[f"model.{name}"])
        self._set({id(weight): tensors[f"model.{own[id(weight)]}"] for weight in self.weights})
        for number, weight in enumerate(self.weights):
            for name in self._moments():
                self._set_state(weight, number, name, tensors[f"optimizer.{number}.{name}"])
        for name, value in self._counters().items():
            value.copy_(tensors[f"optimizer.0.{name}"])

    def weight_norm(self) -> float:
        """L2 norm of all masters; all processes have to take part where they are divided."""
        if not self._divided:
            return norm_of(list(torch._foreach_norm(self.masters)))
        self._group.order(Order.NORM)
        return self.divided_norm()

    def divided_norm(self) -> float:
        """This process's part of `weight_norm`; what fills up the last part is 0."""
        norms = torch.stack(torch._foreach_norm(self.masters)).double()
        squares = norms.square().sum()
        self._all_reduce(squares)
        return float(squares.sqrt().item())

    def settle(self) -> None:
        """Leave the masters in the model; all processes have to take part."""
        self._group.order(Order.SETTLE)
        self.settle_local()

    def settle_local(self) -> None:
        """This process's part of `settle`."""
        whole = [master.detach().clone() for master in self._whole()]
        for weight, master in zip(self.weights, whole, strict=True):
            weight.data = master

    @torch.no_grad()
    def spoil(self) -> None:
        """What applying a gradient that is no number comes to."""
        for master in self.masters:
            master.fill_(torch.nan)
        self.publish()

    @torch.no_grad()
    def publish(self) -> None:
        """Let the model compute with what the masters are now."""
        if self._divided:
            self._engine.optimizer.update_lp_params()
            return
        for weight, master in zip(self.weights, self.masters, strict=True):
            if weight is not master:
                weight.copy_(master)

    def _whole(self) -> list[Tensor]:
        if not self._divided:
            return [master.detach() for master in self.masters]
        from deepspeed.utils import safe_get_full_fp32_param

        return [safe_get_full_fp32_param(weight) for weight in self.weights]

    def _whole_state(self, weight: Tensor, number: int, name: str) -> Tensor:
        if not self._divided:
            return self._optimizer.state[self.masters[number]][name]  # type: ignore[no-any-return]
        from deepspeed.utils import safe_get_full_optimizer_state

        return safe_get_full_optimizer_state(weight, name)  # type: ignore[no-any-return]

    def _set(self, values: Mapping[int, Tensor]) -> None:
        from deepspeed.utils import safe_set_full_fp32_param

        for weight, master in zip(self.weights, self.weights if self._divided else self.masters, strict=True):
            value = values[id(weight)]
            if self._divided:
                safe_set_full_fp32_param(weight, value.to(weight.device, torch.float32))
            else:
                master.copy_(value)
        self.publish()

    def _set_state(self, weight: Tensor, number: int, name: str, value: Tensor) -> None:
        if not self._divided:
            self._optimizer.state[self.masters[number]][name].copy_(value)
            return
        from deepspeed.utils import safe_set_full_optimizer_state

        safe_set_full_optimizer_state(weight, value.to(weight.device, torch.float32), name)

    def _moments(self) -> list[str]:
        """The names of the state that each weight has."""
        return [name for name, value in self._optimizer.state[self.masters[0]].items() if value.ndim]

    def _counters(self) -> dict[str, Tensor]:
        """What is counted once for all weights."""
        return {name: value for name, value in self._optimizer.state[self.masters[0]].items() if not value.ndim}

    def _all_reduce(self, value: Tensor) -> None:
        torch.distributed.all_reduce(value)
