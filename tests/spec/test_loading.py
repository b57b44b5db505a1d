"""A spec from a name, a file or a text; overrides; errors in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from grokcore.errors import InputError
from grokcore.spec import load_spec, load_task, preset_names, read_spec, split_overrides


@pytest.mark.parametrize("name", preset_names())
def test_every_preset_loads_and_says_what_it_shows(name: str) -> None:
    spec = load_spec(name)
    assert spec.name == name
    assert len(spec.description) > 20


def test_the_documented_presets_exist() -> None:
    assert set(preset_names()) >= {
        "comparison-small",
        "complex-reasoning",
        "complex-reasoning-small",
        "composition",
        "composition-small",
        "demo",
        "in-context",
        "in-context-modular",
        "in-context-modular-small",
        "in-context-recall",
        "in-context-small",
        "modular",
        "smoke",
        "thesis",
        "thesis-fast",
        "thesis-llama",
        "thesis-mamba",
        "thesis-rwkv",
    }


@pytest.mark.parametrize("architecture", ["llama", "rwkv", "mamba"])
def test_thesis_presets_differ_in_the_model_alone(architecture: str) -> None:
    reference, other = load_spec("thesis"), load_spec(f"thesis-{architecture}")
    assert other.model.architecture == architecture
    assert (other.task, other.training, other.evaluation) == (reference.task, reference.training, reference.evaluation)
    assert load_spec("thesis", [f"model.architecture={architecture}"]).model == other.model


@pytest.mark.parametrize("name", ["composition", "complex-reasoning", "in-context"])
def test_large_presets_of_other_tasks_are_trained_as_the_thesis_is(name: str) -> None:
    reference, other = load_spec("thesis"), load_spec(name)
    assert other.task.kind == name.replace("-", "_")
    assert (other.model, other.training, other.evaluation) == (
        reference.model,
        reference.training,
        reference.evaluation,
    )


def test_overrides_apply_in_order_and_take_any_number_format() -> None:
    spec = load_spec("demo", ["model.layers=4", "training.learning_rate=3e-4", "training.max_steps=1e4", "seed=7"])
    assert (spec.model.layers, spec.training.learning_rate, spec.training.max_steps, spec.seed) == (4, 3e-4, 10_000, 7)


def test_switching_architecture_drops_fields_of_the_preset_and_says_so() -> None:
    said: list[str] = []
    spec = load_spec("demo", ["model.architecture=rwkv"], notify=said.append)
    assert spec.model.architecture == "rwkv"
    assert said == ["model.architecture=rwkv: dropped model.heads, which does not apply"]


def test_an_explicit_override_that_does_not_apply_is_an_error_wherever_it_stands() -> None:
    for overrides in (["model.architecture=rwkv", "model.heads=2"], ["model.heads=2", "model.architecture=rwkv"]):
        with pytest.raises(InputError, match=r"model\.heads: there is no such field"):
            load_spec("demo", overrides)


@pytest.mark.parametrize(
    ("source", "overrides", "said"),
    [
        ("dmo", [], "did you mean demo"),
        ("demo", ["model.layer=2"], r"model\.layer: .*did you mean layers"),
        ("demo", ["model.layers=x"], r"model\.layers: .*integer.*'x'"),
        ("demo", ["model.layers=0"], r"model\.layers: .*greater than or equal to 1, got 0"),
        ("demo", ["model.heads=3"], "heads=3 must divide width=64"),
        ("demo", ["model.sharing=mlp"], r"model\.sharing: must be a mapping with fields such as kind, .*got 'mlp'"),
        ("demo", ["model.architecture=rwkv", "model.layers=1"], "it needs 2"),
        ("demo", ["task.kind=sorting"], "task.kind: 'sorting' is not known; allowed are 'comparison', 'modular'"),
        ("demo", ["task.values=1"], r"task\.values: .*greater than or equal to 2"),
        ("demo", ["task.entities=1"], r"task\.entities: .*greater than or equal to 2"),
        ("demo", ["task.id_ratio=1"], r"task\.id_ratio: .*less than 1"),
        ("demo", ["task.id_ratio=.999"], "out-of-domain entities; each needs at least 2: change entities or id_ratio"),
        ("demo", ["task.phi=1000"], "lower phi to at most 161"),
        ("composition-small", ["task.out_degree=13"], "out_degree=13 is more than relations=12"),
        ("in-context-small", ["task.context=3"], "long_context=3 must be greater than context=3"),
        ("complex-reasoning", ["task.entities=9000"], r"task\.entities: .*less than or equal to 5000"),
        ("demo", ["task.facts=mine.csv"], r"task\.facts: .*pattern"),
        ("modular", ["task.modulus=96", "task.operation=/"], "needs a prime modulus and 96 is not one"),
        ("modular", ["task.train_ratio=1e-9"], "empty split"),
        ("modular", ["training.stop_on_grok.split=ood"], "not a held-out split of modular; allowed are test"),
        ("demo", ["training.betas=[1,2]"], r"betas=\[1\.0, 2\.0\] must lie in"),
        ("demo", ["training.gradient_accumulation=3"], "must divide batch_size=512"),
        ("demo", ["training.schedule_steps=null"], "needs schedule_steps"),
        ("demo", ["training.schedule=step"], "needs drop_steps"),
        ("demo", ["training.learning_rate=.nan"], r"training\.learning_rate: .*finite"),
        ("demo", ["evaluation.stable_threshold=.98"], r"stable_threshold=0\.98 must not exceed threshold=0\.97"),
        ("demo", ["training.projection=norm_ball"], "go together"),
        ("demo", ["training"], "must read field=value"),
        ("demo", ["name.x=1"], "name has no fields of its own"),
        ("demo", ["training.betas=[1"], r"training\.betas: it is not valid YAML"),
        ("{name: [}", [], "the inline spec is not valid YAML or JSON at line 1"),
        ("- a\n- b", [], "must be a mapping"),
    ],
)
def test_wrong_input_gets_one_line_that_names_the_field(source: str, overrides: list[str], said: str) -> None:
    with pytest.raises(InputError, match=said) as caught:
        load_spec(source, overrides)
    assert "\n" not in str(caught.value)


def test_files_are_read_and_forbidden_to_components(tmp_path: Path) -> None:
    file = tmp_path / "mine.yaml"
    file.write_text("name: mine\nmodel: {architecture: llama, layers: 3}\n")
    assert load_spec(str(file)).model.layers == 3
    assert read_spec(file).name == "mine"
    with pytest.raises(InputError, match="there is no preset"):
        load_spec(str(file), allow_files=False)
    with pytest.raises(InputError, match="there is no file"):
        load_spec(str(tmp_path / "absent.yaml"))
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read"):
        load_spec(str(tmp_path / "binary.yaml"))


def test_what_a_run_left_when_the_stable_threshold_was_fixed_follows_the_threshold(tmp_path: Path) -> None:
    file = tmp_path / "spec.yaml"
    file.write_text("evaluation: {threshold: 0.9, stable_threshold: 0.95}\n")
    assert read_spec(file).evaluation.stable_floor == 0.9
    file.write_text("evaluation: {threshold: 0.97, stable_threshold: 0.95}\n")
    assert read_spec(file).evaluation.stable_threshold == 0.95
    with pytest.raises(InputError, match="must not exceed"):
        load_spec("evaluation: {threshold: 0.9, stable_threshold: 0.95}")


def test_inline_specs_and_tasks_are_read() -> None:
    spec = load_spec('{"name": "inline", "task": {"kind": "modular"}}', allow_files=False)
    assert spec.task.kind == "modular"
    assert load_task('{"kind": "modular", "modulus": 7}').modulus == 7


def test_yaml_cannot_construct_objects() -> None:
    with pytest.raises(InputError, match="not valid YAML"):
        load_spec("name: !!python/object/apply:os.getcwd []\n")


def test_override_text_is_split_like_a_shell_does() -> None:
    assert split_overrides("a.b=1  c.d='two words'") == ["a.b=1", "c.d=two words"]
    with pytest.raises(InputError, match="cannot be read"):
        split_overrides("a='")


@pytest.mark.parametrize("name", preset_names())
def test_a_preset_whose_learning_rate_falls_says_that_a_late_rise_may_be_the_schedules(name: str) -> None:
    spec = load_spec(name)
    if spec.training.schedule != "constant":
        assert "learning rate" in spec.description
        assert "last rise" in spec.description
