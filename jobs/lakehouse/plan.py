"""What a run has to work on: its keys, staged once, and cut into waves that are read off the stage."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.lakehouse.waves import Wave, plan_waves
from jobs.lakehouse.writes import stage

if TYPE_CHECKING:
    from pyspark.sql import Column, DataFrame

    from jobs.lakehouse.tables import Lakehouse

ARRIVED = "arrived_at"


@dataclass(frozen=True)
class Plan:
    """Rows that wait for work. `keys` has the key column `key` and arrived_at; `arrivals` is (microseconds since the
    epoch, rows that arrived then), each time once."""

    key: str
    keys: "DataFrame"
    arrivals: tuple[tuple[int, int], ...]

    @property
    def rows(self) -> int:
        """How many rows wait."""
        return sum(rows for _, rows in self.arrivals)

    def waves(self, size: int) -> list[Wave]:
        """Cut into waves of at most about `size` rows (see plan_waves)."""
        return plan_waves(self.arrivals, size)

    def rows_of(self, wave: Wave, source: "DataFrame") -> "DataFrame":
        """Of `source` (with the key column and arrived_at) the rows of one wave. They are read and never shuffled: the
        arrival tells which files hold them, and the wave's keys travel to them."""
        arrived = _arrived(wave)
        keys = self.keys.where(arrived)
        if wave.parts > 1:
            from pyspark.sql import functions as F

            keys = keys.where(F.pmod(F.xxhash64(self.key), F.lit(wave.parts)) == wave.part)
        return source.where(arrived).join(keys.select(self.key).hint("broadcast"), self.key, "left_semi")


def planned(key: str, keys: "DataFrame") -> Plan:
    """The plan of keys that are cheap to read again, such as staged ones; counts them by arrival."""
    from pyspark.sql import functions as F

    micros = F.unix_micros(ARRIVED).alias("micros")
    counted = keys.groupBy(micros).agg(F.count(F.lit(1)).alias("rows")).collect()
    return Plan(key, keys, tuple(sorted((row["micros"], row["rows"]) for row in counted)))


@contextmanager
def staged_plan(lakehouse: "Lakehouse", key: str, keys: "DataFrame", run_id: str) -> Iterator[Plan]:
    """Stage `keys` (the key column and arrived_at), so that what waits is found out once a run and not in each wave."""
    with stage(lakehouse, keys.select(key, ARRIVED), run_id) as wave:
        yield planned(key, wave.frame) if wave.rows else Plan(key, wave.frame, ())


def _arrived(wave: Wave) -> "Column":
    from pyspark.sql import functions as F

    return F.col(ARRIVED).between(F.timestamp_micros(F.lit(wave.first)), F.timestamp_micros(F.lit(wave.last)))
