"""YAML and JSON texts that somebody else may have written, read strictly.

YAML has the scalars of its version 1.2 (core schema), so that 010 is ten and `on` is a word. A key that is given twice,
and a text that no encoding has, is an error in both formats; so is one that is too long, too deep, or too much once its
aliases are written out.
"""

from grokcore.documents.duplicates import DuplicateKeyError
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
