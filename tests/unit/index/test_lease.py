"""A lease that is given back stays given back, whatever its heartbeat is doing at that moment."""

import threading
from types import SimpleNamespace

import pytest

from jobs.index import lease as lease_module
from jobs.index.lease import Lease


class Table:
    """Takes statements in the place of Spark; a MERGE waits until it is let go."""

    def __init__(self):
        self.statements, self.merging, self.go = [], threading.Event(), threading.Event()
        self.refusals = 0

    def name(self, table):
        return table

    @property
    def spark(self):
        return SimpleNamespace(createDataFrame=lambda *_: None, sql=self._sql)

    def _sql(self, statement, **_):
        return SimpleNamespace(collect=lambda: self._carried_out(statement.split()[0]))

    def _carried_out(self, verb):
        if verb == "MERGE":
            self.merging.set()
            assert self.go.wait(10)
        elif self.refusals:
            self.refusals -= 1
            raise RuntimeError("[DELTA_CONCURRENT_APPEND] somebody was faster")
        self.statements.append(verb)
        return [{"num_affected_rows": 1}]


def test_a_heartbeat_in_the_middle_of_giving_back_does_not_take_it_again(monkeypatch):
    monkeypatch.setattr(lease_module, "BEATS", 1_000_000)
    table = Table()
    lease = Lease(table, "an index's place", "run-1")
    beating, giving = threading.Thread(target=lease.beat), threading.Thread(target=lease.give_back)
    beating.start()
    assert table.merging.wait(10)
    giving.start()
    giving.join(0.2)
    table.go.set()
    giving.join(10)
    beating.join(10)
    assert not beating.is_alive()
    assert table.statements[-1] == "DELETE"


@pytest.mark.parametrize(("refusals", "fails"), [(2, False), (99, True)])
def test_giving_back_is_tried_again_when_another_asks_at_that_moment(monkeypatch, refusals, fails):
    monkeypatch.setattr(lease_module.time, "sleep", lambda _: None)
    table = Table()
    table.refusals = refusals
    lease = Lease(table, "index", "run-1")
    if fails:
        with pytest.raises(RuntimeError, match="CONCURRENT"):
            lease.give_back()
    else:
        lease.give_back()
        assert table.statements == ["DELETE"]
