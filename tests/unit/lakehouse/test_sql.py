"""Whatever a name or a text holds, it stays one name or one text."""

from jobs.lakehouse.sql import identifier, literal


def test_texts_and_names_are_quoted():
    assert literal("O'Brien") == r"'O\'Brien'"
    assert literal("a\\") == r"'a\\'"
    assert identifier("main", "a`b") == "`main`.`a``b`"
