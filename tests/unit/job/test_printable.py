"""What came with the data is shown, and never obeyed."""

from hypothesis import given
from hypothesis import strategies as st

from jobs.job.printable import one_line, printable


def test_control_characters_are_seen_instead_of_obeyed():
    assert printable("a\x1b[2Jb\x00\x9bc\u202ed\ud800") == "a\ufffd[2Jb\ufffd\ufffdc\ufffdd\ufffd"
    assert printable("Ärger, 漆 🚗\n\tnext") == "Ärger, 漆 🚗\n\tnext"
    assert one_line("a\r\n b\t c\u2028d\re") == "a b c d\ufffde"


@given(st.text(alphabet=st.characters(codec=None)))
def test_any_text_can_be_written(text):
    shown = printable(text)
    shown.encode("utf-8")
    assert "\x1b" not in shown
