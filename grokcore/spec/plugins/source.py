"""Where a part of an experiment comes from, as specs, data and runs record it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from grokcore.errors import InputError
from grokcore.spec.base import Spec


class PluginSource(Spec):
    """The origin of a part that is not grokcore's own."""

    kind: Literal["task", "architecture", "optimizer", "loss", "filter", "projection"] = Field(
        description="what it is a part of"
    )
    name: str = Field(pattern="^[a-z][a-z0-9_]{0,63}$", description="its name in a spec")
    distribution: str | None = Field(
        pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,127}$",
        description="the package that offers it, by the name that pip knows; null: registered in a process",
    )
    version: str | None = Field(pattern=r"^[A-Za-z0-9.!+_-]{1,64}$", description="version of the package")
    sha256: str = Field(pattern="^[0-9a-f]{64}$", description="digest of its source")

    @property
    def origin(self) -> str:
        """Where it comes from, for people."""
        place = f"distribution `{self.distribution}` {self.version}" if self.distribution else "a notebook or script"
        return f"{place}, sha256 {self.sha256[:12]}"

    @property
    def remark(self) -> str:
        """A line for results."""
        return f"{self.kind} `{self.name}` comes from {self.origin}"


def check_here(recorded: PluginSource, here: PluginSource | None) -> None:
    """Check that the code that a result was made with is what is here.

    Args:
        here: what is installed or registered under its name; None if nothing is.

    Raises:
        InputError: it is not here, or is another.
    """
    if here == recorded:
        return
    made = f"{recorded.kind} `{recorded.name}` is that of {recorded.origin}"
    if here is not None:
        raise InputError(f"{made}; here it comes from {here.origin}: install that one, or begin anew with this one")
    how = "register it in this process, too"
    if recorded.distribution is not None:
        how = "install it"
    raise InputError(f"{made}, which is not here: {how}")
