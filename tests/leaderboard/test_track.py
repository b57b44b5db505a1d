"""The fields that a record may change, and the seeds that follow from them."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from grokcore.cli import main
from grokcore.errors import InputError
from grokcore.leaderboard.track import added_data, changes, check_recipe, seeds_of, track_of, why_steps_do_not_count
from grokcore.spec import load_spec

MODULAR = track_of("modular")


@pytest.mark.parametrize(
    "override",
    [
        "training.learning_rate=0.003",
        "training.optimizer=sgd",
        "training.schedule=cosine training.schedule_steps=100",
        "training.batch_size=4096",
        "training.label_smoothing=0.1",
        "model.architecture=llama",
        "model.layers=4",
        "model.sharing={kind: blocks}",
        "evaluation.interval=50",
        "evaluation.growth=1.05",
        "evaluation.batch_size=64",
        "training.max_steps=9",
        "training.schedule=phase training.drop_on=[{phase: memorized}]",
        "training.stop_on_grok=null",
        "name=mine",
    ],
)
def test_model_training_and_a_finer_grid_are_free(override: str) -> None:
    *first, last = override.replace("} ", "}\n").replace(" training.", "\ntraining.").splitlines()
    check_recipe(load_spec("modular", [*first, last]), MODULAR)


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        (["task.modulus=89"], "task.modulus is 89, the preset's is 97: task and rules of judging are fixed"),
        (["task.train_ratio=0.5"], "task.train_ratio is 0.5"),
        (["task.seed=1"], "task.seed is 1, the preset's is 0: the data are fixed"),
        (["evaluation.threshold=0.9"], "evaluation.threshold is 0.9, the preset's is 0.99"),
        (["evaluation.sustain=1"], "evaluation.sustain is 1"),
        (["evaluation.window=1"], "evaluation.window is 1"),
        (["evaluation.interval=200"], "evaluation.interval is 200, the preset's is 100: evaluations may come closer"),
        (["evaluation.interval=70"], "evaluation.interval is 70"),
        (["evaluation.growth=1.5"], "evaluation.growth is 1.5"),
        (["training.loss_on=answer_and_eos"], "training.loss_on is answer_and_eos, the preset's is answer"),
        (["training.seed=3"], "training.seed is set"),
        (["model.seed=3"], "model.seed is set"),
        (
            ["training.schedule=phase", "training.drop_on=[{phase: onset, split: test}]"],
            "training.drop_on or training.freeze_on waits for a held-out split",
        ),
        (
            ["training.freeze_on=[{roles: [head], phase: sustained, split: test}]"],
            "training.drop_on or training.freeze_on waits for a held-out split",
        ),
    ],
)
def test_task_target_and_held_out_data_are_not(overrides: list[str], said: str) -> None:
    with pytest.raises(InputError) as caught:
        check_recipe(load_spec("modular", overrides), MODULAR)
    assert str(caught.value).startswith("not eligible as a record of modular: ")
    assert said in str(caught.value)


def test_added_training_rows_are_allowed_and_told() -> None:
    track = track_of("composition-small")
    spec = load_spec("composition-small", ["task.identity=true"])
    check_recipe(spec, track)
    assert added_data(spec, track) == "task.identity true"
    assert added_data(load_spec("composition-small", ["model.layers=1"]), track) == ""
    with pytest.raises(InputError, match=r"task\.phi is 5"):
        check_recipe(load_spec("composition-small", ["task.identity=true", "task.phi=5"]), track)


def test_seeds_follow_from_what_moves_a_result_and_from_nothing_else() -> None:
    first = seeds_of(load_spec("modular"))
    assert first == list(range(first[0], first[0] + 8))
    assert first[0] >= 1000  # beyond the seeds that recipes are tuned on
    for same in ("seed=5", "name=other", "training.max_steps=10", "training.stop_on_grok=null"):
        assert seeds_of(load_spec("modular", [same])) == first
    others = [seeds_of(load_spec("modular", [f"training.learning_rate={rate}"])) for rate in (0.002, 0.0020001)]
    assert not set(first) & set(others[0]) | set(others[0]) & set(others[1])
    assert seeds_of(load_spec("modular"), 12)[:8] == first


def test_the_page_shows_the_seeds_that_the_command_prints(capsys: pytest.CaptureFixture[str]) -> None:
    page = (Path(__file__).parents[2] / "docs" / "acceleration.md").read_text("utf-8")
    [(arguments, printed)] = re.findall(r"^grokcore (record seeds .*?) +# prints (\S+)$", page, re.MULTILINE)
    assert main(arguments.split()) == 0
    assert capsys.readouterr().out == f"{printed}\n"
    assert page.count(f"--seeds {printed}") == 1


def test_the_target_is_the_last_held_out_split_unless_one_is_named() -> None:
    assert track_of("comparison-delay").split == "test_inferred_ood"
    assert track_of("comparison-delay", "test_inferred_iid").target == ".99 on test_inferred_iid"
    with pytest.raises(InputError, match="id_atomic is not a held-out split of demo"):
        track_of("demo", "id_atomic")
    with pytest.raises(InputError, match="there is no preset 'modulr'"):
        track_of("modulr")


def test_what_was_changed_is_listed_with_the_presets_value() -> None:
    spec = load_spec("modular", ["training.learning_rate=0.003", "model.layers=2"])
    assert changes(spec, MODULAR) == ["model.layers 2 (1)", "training.learning_rate 0.003 (0.001)"]


@pytest.mark.parametrize(
    ("override", "why"),
    [
        ("training.batch_size=256", None),
        ("training.batch_size=513", "training.batch_size is 513, more than the preset's 512"),
        ("model.layers=3", None),
        ("model.width=512", "times the FLOPs of the preset's"),
        ("model.sharing={kind: blocks, repeat: 8}", "times the FLOPs of the preset's"),
    ],
)
def test_steps_do_not_count_where_they_are_bought(override: str, why: str | None) -> None:
    found = why_steps_do_not_count(load_spec("modular", [override]), MODULAR, vocabulary_size=100, tokens=4)
    assert found is None if why is None else found is not None and why in found
