"""The Containerfiles, read as instructions."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
CONTAINERFILES = sorted((ROOT / "images").glob("*/Containerfile"))
assert len(CONTAINERFILES) == 2, "images/ has no Containerfile of runtime and trainer: nothing would be checked"


@dataclass(frozen=True)
class Instruction:
    """One instruction, its lines joined.

    Attributes:
        stage: its stage's name; empty before the first and in the last.
    """

    name: str
    text: str
    stage: str

    @property
    def exec_form(self) -> list[str] | None:
        """The arguments, if they are written as a JSON list."""
        return json.loads(self.text) if self.text.startswith("[") else None


def instructions(path: Path) -> list[Instruction]:
    text = re.sub(r"^\s*#.*\n", "", path.read_text("utf-8"), flags=re.MULTILINE)
    found, stage = [], ""
    for line in re.sub(r"\\\n\s*", "", text).splitlines():
        if not line.strip():
            continue
        name, _, rest = line.strip().partition(" ")
        if name == "FROM":
            stage = rest.partition(" AS ")[2]
        found.append(Instruction(name, rest.strip(), stage))
    return found


def of(path: Path, name: str) -> list[Instruction]:
    return [one for one in instructions(path) if one.name == name]
