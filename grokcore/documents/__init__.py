"""Strict parsers for untrusted YAML and JSON.

YAML scalars follow version 1.2 (core schema): 010 is ten and `on` is a string. Both formats refuse duplicate keys, lone
surrogates, and documents that are too long, too deep, or too large once aliases are expanded.
"""

from grokcore.documents.checks import DuplicateKeyError
from grokcore.documents.json_text import decode_json, parse_json
from grokcore.documents.plain import PlainText, core_value, core_values
from grokcore.documents.yaml_text import parse_generated_yaml, parse_plain_yaml, parse_yaml

__all__ = [
    "DuplicateKeyError",
    "PlainText",
    "core_value",
    "core_values",
    "decode_json",
    "parse_generated_yaml",
    "parse_json",
    "parse_plain_yaml",
    "parse_yaml",
]
