"""A preset's task and target as a track of records, and the rules that a recipe has to keep there.

A recipe is a spec without its seed. It may change the model and the training; not the task, the supervised tokens, or
how the target is judged. The seeds follow from the recipe itself: another value of any field gives others, so that no
recipe was tuned on the seeds that it is judged on, and nobody can choose among seeds.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from grokcore.data.supervision import supervised_tokens
from grokcore.errors import InputError
from grokcore.models.sizes import step_flops
from grokcore.runs.fields import differing_fields, fields_of, value_text
from grokcore.runs.groups import experiment_id
from grokcore.spec import ExperimentSpec, load_spec, preset_names

LEAST_SEEDS = 8
"""Seeds of an entry, at least; all of them have to reach the target."""
MOST_FLOPS = 4.0
"""FLOPs of a step of the model, at most, as a multiple of the preset's, to be ranked by steps."""

ADDED_DATA = frozenset({"task.identity"})
"""Fields of a task that add training rows and leave the held-out rows as they are: ranked apart."""
_FREE = ("model.", "training.")
_FIXED = frozenset({"training.loss_on"})
"""Fields of the training that decide which tokens an accuracy counts."""
_MAY_SHRINK = frozenset({"evaluation.interval", "evaluation.growth"})
_WITHOUT_EFFECT = frozenset({"evaluation.batch_size"})
_SEED_BLOCK = 1000


@dataclass(frozen=True)
class Track:
    """A target: accuracy on a held-out split of a preset's task, sustained by the preset's rules.

    Attributes:
        preset: its name.
        spec: the preset's own recipe.
        split: the held-out split.
    """

    preset: str
    spec: ExperimentSpec
    split: str

    @property
    def target(self) -> str:
        """`.99 on test`."""
        return f"{self.spec.evaluation.threshold:g} on {self.split}".replace("0.", ".", 1)


def track_of(preset: str, split: str | None = None) -> Track:
    """Return the track of a preset.

    Args:
        split: a held-out split; by default the task's last, which asks for the most.

    Raises:
        InputError: there is no such preset or split.
    """
    if preset not in preset_names():
        raise InputError(f"there is no preset {preset!r}; presets are: {', '.join(preset_names())}")
    spec = load_spec(preset, allow_files=False)
    known = spec.task.held_out_splits
    if split is not None and split not in known:
        raise InputError(f"{split} is not a held-out split of {preset}; allowed are {', '.join(known)}")
    return Track(preset, spec, split or known[-1])


def seeds_of(recipe: ExperimentSpec, count: int = LEAST_SEEDS) -> list[int]:
    """Return the seeds that a recipe is judged on: consecutive ones from a number derived from its identity.

    Another name or budget leaves them as they are; any change that moves a result gives others.

    Args:
        recipe: resolved.
    """
    first = _SEED_BLOCK * (1 + int(experiment_id(recipe), 16) % (10**6 - 1))
    return list(range(first, first + count))


def changes(recipe: ExperimentSpec, track: Track) -> list[str]:
    """List what a recipe changes in its preset, as `training.optimizer muon (adamw)`."""
    mine, preset = fields_of(recipe), fields_of(track.spec)
    return [f"{name} {_shown(mine, name)} ({_shown(preset, name)})" for name in differing_fields([mine, preset])]


def added_data(recipe: ExperimentSpec, track: Track) -> str:
    """Return the fields by which a recipe adds training data, as `task.identity true`; empty where it adds none."""
    mine, preset = fields_of(recipe), fields_of(track.spec)
    names = [name for name in differing_fields([mine, preset]) if name in ADDED_DATA]
    return ", ".join(f"{name} {_shown(mine, name)}" for name in names)


def check_recipe(recipe: ExperimentSpec, track: Track) -> None:
    """Check that a recipe changes only what a record may change.

    Raises:
        InputError: in one line, the first rule that it breaks.
    """
    problem = next(_problems(recipe, track), None)
    if problem is not None:
        raise InputError(f"not eligible as a record of {track.preset}: {problem}")


def _problems(recipe: ExperimentSpec, track: Track) -> Iterator[str]:
    mine, preset = fields_of(recipe), fields_of(track.spec)
    for name in differing_fields([mine, preset]):
        both = f"{name} is {_shown(mine, name)}, the preset's is {_shown(preset, name)}"
        if name in _MAY_SHRINK:
            if not _is_finer(name, mine[name], preset[name]):
                yield f"{both}: evaluations may come closer together, at the preset's own steps too, but not thin out"
        elif not name.startswith(_FREE) and name not in _WITHOUT_EFFECT | ADDED_DATA:
            yield f"{both}: task and rules of judging are fixed"
        elif name in _FIXED:
            yield f"{both}: it decides what an accuracy counts"
    if recipe.task.seed != track.spec.task.seed:
        yield f"task.seed is {recipe.task.seed}, the preset's is {track.spec.task.seed}: the data are fixed"
    for section in ("model", "training"):
        if getattr(recipe, section).seed is not None:
            yield f"{section}.seed is set, so that the seeds of an entry would share it: leave it out"
    if recipe.training.uses_held_out:
        yield "training.drop_on or training.freeze_on waits for a held-out split, and so decides on what is measured"
    if getattr(recipe.model, "start_from", None) is not None:
        yield "model.start_from builds on another run, which no entry holds"


def why_steps_do_not_count(recipe: ExperimentSpec, track: Track, *, vocabulary_size: int, tokens: int) -> str | None:
    """Return why a recipe is not ranked by steps, or None: larger batches and models buy steps without being faster.

    Args:
        vocabulary_size, tokens: of the task, as the manifest has them.
    """
    mine, preset = recipe.training.batch_size, track.spec.training.batch_size
    if mine > preset:
        return f"training.batch_size is {mine:,}, more than the preset's {preset:,}"
    ratio = flops_of_model(recipe, vocabulary_size, tokens) / flops_of_model(track.spec, vocabulary_size, tokens)
    if ratio > MOST_FLOPS:
        return f"a step of the model takes {ratio:.1f} times the FLOPs of the preset's, more than {MOST_FLOPS:g} times"
    return None


def flops_of_model(recipe: ExperimentSpec, vocabulary_size: int, tokens: int) -> float:
    """Return the FLOPs of an optimizer step of the plain model."""
    return step_flops(
        recipe.model,
        vocabulary_size=vocabulary_size,
        tokens=tokens,
        supervised=supervised_tokens(recipe.task.supervised, recipe.training.loss_on),
        batch_size=recipe.training.batch_size,
    )


def _is_finer(name: str, mine: float, preset: float) -> bool:
    return mine <= preset if name.endswith("growth") else preset % mine == 0


def _shown(fields: dict[str, Any], name: str) -> str:
    return value_text(fields[name]) if name in fields else "absent"
