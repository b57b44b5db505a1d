"""An error is one line, whatever it quotes."""

from __future__ import annotations

import pytest

from grokcore.errors import GrokcoreError, InputError, TransientError


@pytest.mark.parametrize(
    ("message", "line"),
    [
        ("there is no preset é", "there is no preset é"),
        ("first\nsecond\r\u0085third\u2028fourth", "first second  third fourth"),
        ("\x1b[2Jcleared", "\\x1b[2Jcleared"),
        ("a\ud800b\x00", "a\\ud800b\\x00"),
    ],
)
@pytest.mark.parametrize("kind", [GrokcoreError, InputError, TransientError])
def test_it_can_be_printed_in_one_line(kind: type[GrokcoreError], message: str, line: str) -> None:
    assert str(kind(message)) == line
    assert str(kind(str(kind(message)))) == line
    line.encode()
