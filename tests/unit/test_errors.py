"""What an error says in one line, whatever its message is."""

import pytest

from udfs.errors import InputError, first_line


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (InputError("/photos is empty: put photos there."), "/photos is empty: put photos there."),
        (ValueError("first\nsecond"), "first"),
        (ValueError("\n   \n  after blank lines \n"), "after blank lines"),
        (ValueError(""), "ValueError"),
        (ValueError("  \n\t"), "ValueError"),
        (TimeoutError(), "TimeoutError"),
        (KeyError("photo_id"), "'photo_id'"),
    ],
)
def test_an_error_is_told_in_one_line(error, line):
    assert first_line(error) == line
