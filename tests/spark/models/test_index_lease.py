"""One writer of an index at a time: a living one keeps the others out, a silent one is taken for dead."""

from datetime import UTC, datetime, timedelta

import pytest

from jobs.index import lease as lease_module
from jobs.index.lease import Lease, writing
from udfs.errors import ClaimlensError

INDEX = "/place/of/the/index"


def test_a_second_writer_waits_or_is_told_who_writes_and_one_that_fell_silent_is_followed(lakehouse, monkeypatch):
    with writing(lakehouse, INDEX, "run-1", 0) as lease:
        lease.check()
        with (
            pytest.raises(ClaimlensError, match=r"Another run writes .*process \d+ on .*run run-1"),
            writing(lakehouse, INDEX, "run-2", 0),
        ):
            pass
    silent = Lease(lakehouse, INDEX, "run-3")
    with monkeypatch.context() as patched:
        patched.setattr(lease_module, "LASTS", timedelta(0))
        assert silent.take()
    with pytest.raises(ClaimlensError, match="another run may write it by now"):
        silent.check()
    with writing(lakehouse, INDEX, "run-4", 0) as lease:
        lease.check()
        assert not silent.take(), "who was taken for dead does not get it back from the living"
        monkeypatch.setattr(lease, "_until", datetime.now(UTC))
        with pytest.raises(ClaimlensError, match="another run may write it by now"):
            lease.check()
