"""The page of a full run of the faults."""

import json

import pytest

from ci.faultresults import main, results_markdown

LINES = [
    {"row": "disk full", "tries": 1, "losses": 0, "seed": None, "test": "full"},
    {"row": "two writers", "tries": 1, "losses": 0, "seed": 0, "test": "race[0]"},
    {"row": "two writers", "tries": 1, "losses": 1, "seed": 19, "test": "race[19]"},
    {"row": "fuzzed input", "tries": 1000, "losses": 0, "seed": None, "test": "fuzz"},
]


def test_tries_and_losses_are_added_up_by_row_and_what_was_lost_is_named() -> None:
    page = results_markdown(LINES, "today")
    assert "| two writers | 2 | 1 | 0 to 19 |" in page
    assert "| fuzzed input | 1,000 | 0 |  |" in page
    assert page.endswith("## Lost\n\n- race[19]\n")


def test_nothing_tried_is_no_result() -> None:
    with pytest.raises(ValueError, match="no fault was tried"):
        results_markdown([], "today")


def test_the_page_says_when_and_on_what(tmp_path, capsys) -> None:
    (tmp_path / "lines").write_text("".join(json.dumps(line) + "\n" for line in LINES[:1]))
    assert main(str(tmp_path / "lines"), str(tmp_path / "page.md")) == 0
    assert (tmp_path / "page.md").read_text() in capsys.readouterr().out
    assert "cores." in (tmp_path / "page.md").read_text()
