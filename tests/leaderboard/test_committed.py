"""The records in the tree follow from their journals, and their pages from them."""

from __future__ import annotations

from pathlib import Path

from grokcore.leaderboard.checking import problems_in
from grokcore.leaderboard.pages import entry_files

RECORDS = Path(__file__).parents[2] / "records"


def test_every_entry_and_page_holds() -> None:
    assert entry_files(RECORDS), "there is no entry: nothing was checked"
    assert list(problems_in(RECORDS)) == []
