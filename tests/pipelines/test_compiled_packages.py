import subprocess
from pathlib import Path

import pytest

from ci import packages
from ci.packages import ROOT, build, drift, targets


@pytest.mark.extended
def test_the_compiled_packages_and_readmes_are_what_their_source_gives():
    assert [str(path.relative_to(ROOT)) for path in drift(targets())] == []


def test_a_changed_source_is_noticed(monkeypatch: pytest.MonkeyPatch):
    target = targets()[0]
    wanted = build(target)
    monkeypatch.setattr(packages, "build", lambda target: {path: content + b"#" for path, content in wanted.items()})
    assert drift([target]) == list(wanted)


def test_a_file_that_is_absent_is_noticed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(packages, "build", lambda target: {tmp_path / "component.yaml": b""})
    assert drift(targets()[:1]) == [tmp_path / "component.yaml"]


def test_finding_nothing_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setattr(packages, "ROOT", tmp_path)
    with pytest.raises(LookupError, match="nothing to check"):
        targets()


def test_a_kind_that_is_missing_altogether_is_an_error(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    (tmp_path / "components" / "a" / "b").mkdir(parents=True)
    (tmp_path / "components" / "a" / "b" / "component.py").touch()
    monkeypatch.setattr(packages, "ROOT", tmp_path)
    with pytest.raises(LookupError, match=r"pipeline\.py"):
        targets()


def test_the_command_exits_with_1_when_it_finds_nothing(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
):
    monkeypatch.setattr(packages, "ROOT", tmp_path)
    monkeypatch.setattr("sys.argv", ["compile", "--check"])
    assert packages.main() == 1
    assert "nothing to check" in capsys.readouterr().err


def test_the_components_and_the_pipelines_are_there():
    assert {target.name for target in targets()} >= {
        "resolve_experiment",
        "generate_dataset",
        "train_model",
        "evaluate_model",
        "analyze_model",
        "build_report",
        "grokking_experiment",
        "train_model_trainjob",
        "grokking_experiment_trainjob",
        "resolve_sweep",
        "train_seeds",
        "evaluate_runs",
        "build_comparison",
        "parameter_sweep",
        "architecture_comparison",
        "resolve_retraining",
        "compare_with_champion",
        "promote_champion",
        "scheduled_retraining",
    }


def test_the_command_is_executable():
    help_ = subprocess.run(["bash", "-n", str(ROOT / "ci" / "compile")], check=False)
    assert help_.returncode == 0
    assert (ROOT / "ci" / "compile").stat().st_mode & 0o111
