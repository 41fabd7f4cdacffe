"""The reader as tests call it: bytes in; good records, failed ones and faults of the file out."""

import csv
import io
from dataclasses import dataclass

from udfs.records.columns import Wanted
from udfs.records.form import Form
from udfs.records.reading import Row, read_rows

COLUMNS = {"claim_id": "claim_no", "policy_id": "policy_no", "amount_total": "amount", "narrative": "narrative"}
WANTED = Wanted(COLUMNS, keys=("claim_id", "policy_id"), needed=("claim_id",), required="claim_id")


@dataclass
class Outcome:
    good: list[Row]
    failed: list[Row]
    faults: list[Row]
    file: Row

    @property
    def claims(self) -> list[dict]:
        return [dict(zip(COLUMNS, row.values, strict=True)) for row in self.good]

    def column(self, name) -> list:
        return [claim[name] for claim in self.claims]

    def codes(self) -> list[str]:
        return [str(row.code) for row in (*self.failed, *self.faults)]


def read(content, kind="csv", wanted=WANTED, **form) -> Outcome:
    data = content if isinstance(content, bytes) else content.encode()
    rows = list(read_rows(io.BytesIO(data), Form(kind, **form), wanted))
    records = [row for row in rows if row.number is not None]
    assert [row.number for row in records] == list(range(1, len(records) + 1))
    return Outcome(
        good=[row for row in records if row.code is None],
        failed=[row for row in records if row.code],
        faults=[row for row in rows if row.number is None and row.code],
        file=rows[-1],
    )


def table(rows, header=("claim_no", "policy_no", "amount", "narrative"), delimiter=",") -> str:
    stream = io.StringIO()
    csv.writer(stream, delimiter=delimiter).writerows([header, *rows])
    return stream.getvalue()
