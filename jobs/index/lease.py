"""One writer of an index at a time, on whatever machine: a row in Delta, taken and given back by conditional writes."""

import os
import random
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

from jobs.lakehouse.contracts import INDEX_LEASES
from jobs.lakehouse.errors import was_beaten
from jobs.lakehouse.sql import insert_all, literal, update_all
from jobs.lakehouse.writes import again_when_beaten
from udfs.errors import ClaimlensError

if TYPE_CHECKING:
    from jobs.lakehouse.tables import Lakehouse

LASTS = timedelta(minutes=5)
"""After so long without a heartbeat the holder is taken for dead."""
BEATS = 3
"""Heartbeats within that time."""
POLL_SECONDS = 2.0


class Lease:
    """The right to write an index. `check` it before every step that writes: a process that slept may have lost it."""

    def __init__(self, lakehouse: "Lakehouse", index: str, run_id: str) -> None:
        self._lakehouse = lakehouse
        self._run_id = run_id
        self._index = index
        self._ended = threading.Event()
        self._lost = threading.Event()
        self._renewing = threading.Lock()
        self._holder = f"process {os.getpid()} on {socket.gethostname()}"
        self._until = datetime.min.replace(tzinfo=UTC)

    def check(self) -> None:
        """Raises ClaimlensError when another process may write by now."""
        if self._lost.is_set() or datetime.now(UTC) >= self._until:
            raise ClaimlensError(
                f"This run held the index {self._index} for writing and was silent for more than {LASTS}; another run "
                "may write it by now. Nothing is lost: run claimlens sync-index again."
            )

    def take(self) -> bool:
        """Take or renew it; False while somebody else has it. Two that ask at once do not both get it: Delta refuses
        the later commit."""
        now = datetime.now(UTC)
        frame = self._lakehouse.spark.createDataFrame(
            [(self._index, self._run_id, self._holder, now, now + LASTS)], INDEX_LEASES.schema
        )
        statement = (
            f"MERGE INTO {self._lakehouse.name(INDEX_LEASES.name)} target USING {{source}} source "
            "ON target.index_name = source.index_name "
            "WHEN MATCHED AND (target.run_id = source.run_id OR target.expires_at < source.taken_at) "
            f"THEN {update_all(INDEX_LEASES.names)} WHEN NOT MATCHED THEN {insert_all(INDEX_LEASES.names)}"
        )
        try:
            result = self._lakehouse.spark.sql(statement, source=frame).collect()[0]
        except Exception as error:  # its type differs between the classic API and Spark Connect
            if was_beaten(error):
                return False
            raise
        taken = bool(result["num_affected_rows"])
        if taken:
            self._until = now + LASTS
        return taken

    def beat(self) -> None:
        """Renew until the end; what fails is tried again, until the lease has run out."""
        while not self._ended.wait(LASTS.total_seconds() / BEATS):
            # One that is given back meanwhile must not be taken once more: nobody would give that back.
            with self._renewing, suppress(Exception):
                if self._ended.is_set():
                    return
                if not self.take():
                    time.sleep(random.uniform(0.1, 1.0))
                    if not self.take():
                        self._lost.set()
                        return

    def give_back(self) -> None:
        """End it, where it is still ours."""
        self._ended.set()
        statement = (
            f"DELETE FROM {self._lakehouse.name(INDEX_LEASES.name)} "
            f"WHERE index_name = {literal(self._index)} AND run_id = {literal(self._run_id)}"
        )
        with self._renewing:  # somebody who waits for it may ask at this moment
            again_when_beaten(lambda: self._lakehouse.spark.sql(statement).collect())

    def held_by(self) -> str:
        """Who has it."""
        from pyspark.sql import functions as F

        row = self._lakehouse.read(INDEX_LEASES.name).where(F.col("index_name") == self._index).first()
        return f"{row['holder']}, run {row['run_id']}" if row else "another run"


@contextmanager
def writing(lakehouse: "Lakehouse", index: str, run_id: str, wait_seconds: float) -> Iterator[Lease]:
    """Hold an index as its only writer while the block runs.

    Raises:
        ClaimlensError: somebody else held it for `wait_seconds`; says who.
    """
    lakehouse.ensure(INDEX_LEASES.name)
    lease = Lease(lakehouse, index, run_id)
    deadline = time.monotonic() + wait_seconds
    while not lease.take():
        if time.monotonic() >= deadline:
            raise ClaimlensError(
                f"Another run writes the index {index} ({lease.held_by()}); waited {wait_seconds:g} s. Run again when "
                f"it has finished. A run that was killed is taken for dead after {LASTS}."
            )
        time.sleep(POLL_SECONDS)
    beating = threading.Thread(target=lease.beat, name="index-lease", daemon=True)
    beating.start()
    try:
        yield lease
    finally:
        lease.give_back()
        beating.join(POLL_SECONDS)
