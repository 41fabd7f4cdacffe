"""From bytes to claims: the form of the files, the order of columns, the split into files and runs, and the order of
deliveries change nothing, where records say when they are of."""

import hashlib
import json
from datetime import datetime
from itertools import groupby, pairwise

from hypothesis import given
from hypothesis import strategies as st

from tests.unit.records.reader import read, table
from udfs.records.columns import Wanted
from udfs.records.merging import merged

COLUMNS = ("claim_id", "claimed_at", "severity", "narrative")
WANTED = Wanted({name: name for name in COLUMNS}, ("claim_id",), ("claim_id",), "claim_id")
VALUES = st.text(st.characters(categories=["L", "N", "P", "Zs"]), min_size=1, max_size=8).filter(str.strip)
GIVEN = st.fixed_dictionaries({}, optional={"severity": VALUES, "narrative": VALUES})
RECORDS = st.lists(st.tuples(st.sampled_from(["1001", "C-2", "Ü-3"]), GIVEN), min_size=1, max_size=7)
SPELLINGS = {"1001": ["1001", "1001.0", " 1001", "1.001E3"], "C-2": ["C-2", "C-2\u200b"], "Ü-3": ["Ü-3", "U\u0308-3 "]}


def files_of(records, data):
    """The records in files of any form; in a CSV file all have the same columns."""
    same = sorted(records, key=sorted)
    for names, group in groupby(same, key=sorted):
        alike = list(group)
        order = data.draw(st.permutations(names))
        form = data.draw(st.sampled_from([",", ";", "\t", "list", "lines"]))
        turned = [{name: record[name] for name in order} for record in alike]
        if form == "list":
            yield json.dumps(turned), "json"
        elif form == "lines":
            yield "\n".join(map(json.dumps, turned)), "json"
        else:
            yield table([list(record.values()) for record in turned], order, form), "csv"


def rows_of(records, data):
    for content, kind in files_of(records, data):
        outcome = read(content, kind, WANTED)
        assert outcome.codes() == []
        for row in outcome.good:
            values = dict(zip(COLUMNS, row.values, strict=True))
            version = datetime.fromisoformat(values["claimed_at"])
            digest = hashlib.sha256(row.raw.encode()).hexdigest()
            place = {"flags": [], "raw": "", "record_hash": digest, "given_at": None, "absent": row.absent}
            yield values | place | {"version": version}


def after(runs, data):
    claims = {}
    for records in runs:
        rows = sorted(rows_of(records, data), key=lambda row: row["claim_id"])
        for claim, group in groupby(rows, key=lambda row: row["claim_id"]):
            row = merged(claims.get(claim), list(group), COLUMNS)
            claims[claim] = row | {"version": datetime.fromisoformat(row["claimed_at"])}
    kept = (*COLUMNS, "given_at", "version")
    return {claim: {name: row[name] for name in kept} for claim, row in claims.items()}


@given(RECORDS, st.data())
def test_the_way_of_delivery_changes_no_claim(given_records, data):
    records = []
    for day, (claim, values) in enumerate(given_records, 1):
        spelling = data.draw(st.sampled_from(SPELLINGS[claim]))
        records.append({"claim_id": spelling, "claimed_at": f"2024-05-{day:02}", **values})
    shuffled = data.draw(st.permutations(records))
    cuts = sorted(data.draw(st.sets(st.integers(1, len(records)))) | {0, len(records)})
    runs = [shuffled[start:end] for start, end in pairwise(cuts)]
    one_by_one = after([[record] for record in records], data)
    assert after(runs, data) == one_by_one
    assert set(one_by_one) == {claim for claim, _ in given_records}
