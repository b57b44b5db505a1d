"""The picture of the terminal's view is made from what the program writes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

from tests.terminal.runs import grokking, write

ROOT = Path(__file__).parents[2]


def test_a_picture_holds_the_last_view_and_its_curves(tmp_path: Path) -> None:
    write(tmp_path / "run", grokking(), exit_reason="budget_steps")
    picture = tmp_path / "view.svg"
    command = [sys.executable, str(ROOT / "ci" / "picture.py"), str(tmp_path / "run"), "--out", str(picture)]
    subprocess.run(command, check=True, cwd=ROOT)
    drawing = ElementTree.fromstring(picture.read_text("utf-8"))  # noqa: S314 - our own
    shapes = {tag: [shape for shape in drawing.iter() if shape.tag.endswith(tag)] for tag in ("text", "rect")}
    said = [shape.text or "" for shape in shapes["text"]]
    assert "ended: budget_steps" in said
    assert "grokked at 2,000" in said
    green = [shape for shape in shapes["rect"] if shape.get("fill") == "#98c379"]
    assert len(green) > 5
    assert "\x1b" not in "".join(said)
