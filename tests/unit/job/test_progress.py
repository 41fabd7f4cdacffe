"""Progress as it reads in a log and in words."""

import io

from jobs.job.progress import BarProgress, LineProgress, choose_progress, describe, in_words


class Clock:
    def __init__(self):
        self.now = 100.0

    def __call__(self):
        return self.now


def test_lines_come_at_most_every_few_seconds():
    stream, clock = io.StringIO(), Clock()
    progress = LineProgress(stream, every=5, clock=clock)
    progress.start("embed photos", 400)
    for _ in range(10):
        clock.now += 1
        progress.advance(20, failed=1)
    progress.finish()
    lines = stream.getvalue().splitlines()
    assert lines[0] == "embed photos: 400 to do"
    assert lines[1] == "embed photos: 100 of 400, 20.0 a second, 5 failed, 15 s left"
    assert lines[2] == lines[3] == "embed photos: 200 of 400, 20.0 a second, 10 failed, 10 s left"
    assert len(lines) == 4


def test_an_unknown_total_promises_no_time():
    assert describe(50, None, 0, 10) == "50, 5.0 a second"


def test_nothing_done_yet_promises_no_time():
    assert describe(0, 10, 0, 0) == "0 of 10, 0.0 a second"


def test_durations_in_words():
    assert [in_words(value) for value in (0.4, 59.4, 200, 7500)] == ["0 s", "59 s", "3 min 20 s", "2 h 5 min"]


def test_a_pipe_gets_lines_and_a_terminal_gets_a_bar():
    class Terminal(io.StringIO):
        def isatty(self):
            return True

    assert isinstance(choose_progress(io.StringIO()), LineProgress)
    assert isinstance(choose_progress(Terminal()), BarProgress)


def test_a_bar_survives_being_used_out_of_order(capfd):
    bar = BarProgress()
    bar.advance(3)
    bar.finish()
    bar.say("before")
    bar.start("embed", 10)
    bar.advance(4, failed=1)
    bar.say("between")
    bar.start("classify")
    bar.finish()
    err = capfd.readouterr().err
    assert "before" in err
    assert "between" in err
    assert "4/10" in err
    assert "1 failed" in err
