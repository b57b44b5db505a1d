"""Parts of an experiment that come from elsewhere: from an installed package, or registered in this process.

A package offers them by entry points, of one group for each kind of part (`GROUPS`); a notebook registers them. A spec
names them as it names our own. Their origin, down to a digest of their source, is a part of the spec, so that every id
covers it.
"""

from grokcore.spec.plugins.installed import (
    GROUPS,
    Kind,
    Plugin,
    Refused,
    find,
    names,
    register,
    reserve,
    source_here,
    survey,
)
from grokcore.spec.plugins.registry import Registry
from grokcore.spec.plugins.source import PluginSource, check_here

__all__ = [
    "GROUPS",
    "Kind",
    "Plugin",
    "PluginSource",
    "Refused",
    "Registry",
    "check_here",
    "find",
    "names",
    "register",
    "reserve",
    "source_here",
    "survey",
]
