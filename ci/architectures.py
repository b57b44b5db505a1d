"""The tables of architectures in README and docs/architectures.md."""

from __future__ import annotations

from ci.markdown import arxiv_link, table
from grokcore.models.registry import ArchitectureInfo, catalog


def summary() -> str:
    """Return README's table: names, token mixers and papers."""
    return table(("`model.architecture`", "name", "token mixer", "paper"), map(_names, catalog()))


def sizes() -> str:
    """Return the full table; sizes are those of each architecture's defaults at width 128."""
    header = (
        "`model.architecture`",
        "name",
        "token mixer",
        "parameters a block",
        "state a block",
        "paper",
        "files load into",
    )
    return table(header, map(_row, catalog()))


def deviations() -> str:
    """List where architectures depart from their papers."""
    return "".join(
        f"- `{entry.architecture}`: {' '.join(entry.deviations)}\n" for entry in catalog() if entry.deviations
    )


def _names(entry: ArchitectureInfo) -> tuple[str, ...]:
    return f"`{entry.architecture}`", entry.title, entry.token_mixer, arxiv_link(entry.source)


def _row(entry: ArchitectureInfo) -> tuple[str, ...]:
    *names, paper = _names(entry)
    return (
        *names,
        f"{entry.parameters_per_block:,}",
        f"{entry.state:,}{' a token' if entry.state_per_token else ''}",
        paper,
        "grokcore" if entry.transformers_class is None else f"`{entry.transformers_class}`",
    )
