"""The records in the tree follow from their journals, and their pages from them."""

from __future__ import annotations

from pathlib import Path

from grokcore.leaderboard.checking import problems_in
from grokcore.leaderboard.pages import PAGE, entry_files

RECORDS = Path(__file__).parents[2] / "records"


def test_every_entry_and_page_holds() -> None:
    assert (RECORDS / PAGE).is_file(), "there is no page of records: nothing was checked"
    assert list(problems_in(RECORDS)) == []


def test_the_page_lists_entries_or_says_that_there_are_none() -> None:
    page = (RECORDS / PAGE).read_text("utf-8")
    assert bool(entry_files(RECORDS)) is ("There is no entry yet." not in page)
