"""What came with the data is shown, and never obeyed."""

import json

from hypothesis import given
from hypothesis import strategies as st

from jobs.job.printable import one_line, printable, printable_json, printable_value

ODD = "a\x00\x07\x1b]0;title\x07\x1b[2J\x9b31m\x9d\x7f\u061c\u202e\u2066\ufeff\ud83d\U000e0041z"


def test_control_characters_are_seen_instead_of_obeyed():
    assert printable("a\x1b[2Jb\x00\x9bc\u202ed\ud800") == "a\ufffd[2Jb\ufffd\ufffdc\ufffdd\ufffd"
    assert printable("Ärger, 漆 🚗\n\tnext") == "Ärger, 漆 🚗\n\tnext"
    assert one_line("a\r\n b\t c\u2028d\re") == "a b c d\ufffde"


def test_what_reaches_a_terminal_by_any_way_is_shown_and_not_obeyed(capsys):
    from rich.console import Console

    from jobs.console.failure import complain, tell_failure
    from jobs.console.presentation import print_report
    from jobs.console.streams import print_json
    from jobs.job.progress import LineProgress
    from jobs.job.report import Counts, Report

    report = Report(ODD, "run", "done", Counts(1, 0, 0, 1, {ODD: 1}), details={ODD: {ODD: 1}, "names": [ODD]})
    print_report(report, Console(width=500))
    print_json({"text": ODD})
    LineProgress().say(ODD)
    complain("ingest", ODD)
    tell_failure("ingest", RuntimeError(ODD), 0.0, json_output=True, debug=True)
    printed = capsys.readouterr()
    for text in (printed.out, printed.err):
        assert text.count("title") >= 2
        assert not {character for character in text if character != "\n" and not character.isprintable()}


def test_json_says_what_was_written():
    text = json.dumps({"text": ODD}, ensure_ascii=False)
    assert json.loads(printable_json(text)) == {"text": ODD}
    assert printable_json('"Ärger \\n 漆"') == '"Ärger \\n 漆"'


def test_a_template_shows_texts_safely_and_leaves_markup_and_numbers():
    from jinja2 import Environment

    page = Environment(autoescape=True, finalize=printable_value).from_string("<b title='{{ odd }}'>{{ n }}</b>")
    assert page.render(odd="<\x1b\x00>", n=3) == "<b title='&lt;\ufffd\ufffd&gt;'>3</b>"


@given(st.text(alphabet=st.characters(codec=None)))
def test_any_text_can_be_written(text):
    shown = printable(text)
    shown.encode("utf-8")
    assert "\x1b" not in shown
