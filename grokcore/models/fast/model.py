"""The models of `implementation: fast`, whose weights have transformers' names in files."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import deepcopy
from pathlib import Path

import torch
from torch import Tensor

from grokcore.models.fast.conversion import from_transformers, to_transformers, transformers_names
from grokcore.models.fast.hooks import HookedBackbone
from grokcore.models.files import save_composed, save_model


class FastModel(HookedBackbone):
    """A model made for short sequences of which few tokens are supervised, to be loaded from files and saved."""

    def transformers_names(self) -> dict[str, tuple[str, ...]]:
        names, places = self.parts.names, self._places_in_files
        found = {}
        for name, _ in self.named_parameters():
            stored = "embedding.weight" if name.startswith("embedding.") else name  # both factors, if it is a product
            found[name] = transformers_names(stored, names, places)
        return found

    def load_transformers(self, weights: Mapping[str, Tensor], *, drawn: bool = False) -> None:
        """Load weights by the names of transformers; tied ones are stored under their first name.

        Args:
            drawn: they are new, of a plain model without memory that has as many layers as this has blocks; else they
                are from files, in which what runs several times may stand several times.

        Raises:
            ValueError: a weight is missing, unknown, has another shape, or its copies differ.
        """
        ours = dict(self.named_parameters())
        if drawn:
            ours = {name: weight for name, weight in ours.items() if not name.startswith("memory.")}
        places = self._places(range(len(self.blocks))) if drawn else self._places_in_files
        with torch.no_grad():
            for name, weight in from_transformers(weights, ours, self.parts.names, places, drawn=drawn).items():
                ours[name].copy_(weight)

    def save(self, directory: Path) -> None:
        ours: dict[str, Tensor] = {"embedding.weight": self.embedding.weight}
        ours |= {name: weight for name, weight in self.named_parameters() if not name.startswith("embedding.")}
        weights = to_transformers(ours, self.parts.names, self._places_in_files)
        if not self._known or not self.composition.written():
            save_model(directory, self.config, weights)
        elif self._unrolled:
            config = deepcopy(self.config)
            config.num_hidden_layers = self.layers
            save_model(directory, config, weights)
        else:
            save_composed(directory, self.config, weights)

    @property
    def _known(self) -> bool:
        """Return whether transformers has these blocks."""
        from transformers import PretrainedConfig

        return isinstance(self.config, PretrainedConfig)

    @property
    def _unrolled(self) -> bool:
        """Return whether the files hold a deeper stack of plain blocks, as transformers can load it."""
        return self.composition.unrolls and self._known

    def _places(self, schedule: Sequence[int]) -> Callable[[str], Sequence[int]]:
        """Return (name of a block's weight) -> its positions in a plain stack that runs our blocks in this order."""

        def places(name: str) -> Sequence[int]:
            _, number, part, *_ = name.split(".")
            if part == self.parts.entrance:
                return (0,)
            if self.composition.shares_mlp and part in self.parts.mlp:
                return range(len(schedule))
            return [place for place, block in enumerate(schedule) if block == int(number)]

        return places

    @property
    def _places_in_files(self) -> Callable[[str], Sequence[int]]:
        return self._places(self._schedule if self._unrolled else range(len(self.blocks)))
