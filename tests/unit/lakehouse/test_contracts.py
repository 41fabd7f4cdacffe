"""Contracts are whole: keys that exist, ids that say whom they name, and a way from every former version."""

import re

import pytest

from jobs.lakehouse.contracts import CONTRACTS, Column, TableContract
from jobs.lakehouse.sql import insert_all, update_all
from jobs.lakehouse.tables import schema_fault

NAMES_NOBODY = {"run_id"}


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_a_contract_is_whole(contract):
    columns = {column.name: column for column in contract.columns}
    assert len(columns) == len(contract.columns)
    assert set(contract.key) <= {name for name, column in columns.items() if column.required}
    assert set(contract.cluster_by) <= set(columns)
    assert all(column.comment for column in contract.columns)
    # An erasure looks for these.
    unnamed = {name for name, column in columns.items() if column.identifies is None}
    assert {name for name in unnamed if name.endswith(("_id", "path"))} <= NAMES_NOBODY


@pytest.mark.parametrize("contract", CONTRACTS.values(), ids=CONTRACTS)
def test_every_former_version_has_a_way_to_this_one(contract):
    assert all(contract.migrates_from(version) for version in range(1, contract.version))
    assert not contract.migrates_from(contract.version)
    assert not contract.migrates_from(contract.version + 1)


def test_a_way_with_a_gap_is_none():
    steps = dict.fromkeys((1, 3), print)
    contract = TableContract("rows", 4, "", (), (), migrations=steps)
    assert [contract.migrates_from(version) for version in (1, 2, 3)] == [False, False, True]


COLUMNS = (Column("id", "STRING", "", required=True), Column("n", "MAP<STRING, INT>", ""))
TABLE = TableContract("t", 3, "", COLUMNS, ("id",))
SOUND = {"id": "string", "n": "map<string,int>"}


@pytest.mark.parametrize(
    ("present", "required", "fault"),
    [
        (SOUND, ["id"], None),
        (SOUND | {"note": "string", "more": "struct<a:int>"}, ["id"], None),
        (SOUND | {"note": "string"}, ["id", "note"], "has a column note that may not be null.*ALTER COLUMN note DROP"),
        ({"id": "string"}, [], "another schema than contract 3: column n is absent, should be map<string,int>"),
        (SOUND | {"id": "bigint"}, [], "column id is bigint, should be string"),
    ],
)
def test_added_columns_are_left_alone_and_others_are_told_in_one_line(present, required, fault):
    found = schema_fault(TABLE, present, required)
    assert found is None if fault is None else re.search(fault, found)


def test_the_clauses_of_a_merge_name_their_columns():
    assert update_all(TABLE.names) == "UPDATE SET `id` = source.`id`, `n` = source.`n`"
    assert insert_all(TABLE.names) == "INSERT (`id`, `n`) VALUES (source.`id`, source.`n`)"
