"""What analyses found is read along with a run, if it is its own."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

import grokcore
from grokcore.errors import InputError
from grokcore.runs.analysis import ANALYSIS
from grokcore.runs.record import read_run


@pytest.fixture(scope="module")
def analyzed(smoke_run: Path, smoke_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    run = tmp_path_factory.mktemp("analyzed") / "run"
    shutil.copytree(smoke_run, run)
    grokcore.analyze_model(run, data=smoke_data, analyses=["norms"], examples=10)
    return run


@pytest.fixture
def run(analyzed: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(analyzed, tmp_path / "run"))


def test_a_run_has_what_was_found_inside_it(run: Path) -> None:
    analysis = read_run(run).analysis
    assert analysis is not None
    assert {one.analysis for one in analysis.headlines} == {"norms"}
    (run / ANALYSIS).unlink()
    assert read_run(run).analysis is None


def test_the_analysis_of_another_run_is_refused_with_what_makes_its_own(run: Path) -> None:
    document = json.loads((run / ANALYSIS).read_text())
    (run / ANALYSIS).write_text(json.dumps(document | {"run_id": "0" * 16}))
    with pytest.raises(InputError, match=f"of run {'0' * 16}, but is run .*grokcore analyze {re.escape(str(run))}"):
        read_run(run)


@pytest.mark.parametrize(("content", "fault"), [("{", "no JSON"), ("{}", "run_id: Field required")])
def test_a_damaged_analysis_is_one_line_that_says_what_to_do(run: Path, content: str, fault: str) -> None:
    (run / ANALYSIS).write_text(content)
    with pytest.raises(InputError) as refused:
        read_run(run)
    assert fault in str(refused.value)
    assert str(refused.value).endswith("analyze the run again")
    assert "\n" not in str(refused.value)
