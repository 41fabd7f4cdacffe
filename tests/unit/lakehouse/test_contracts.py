"""Contracts are whole: keys that exist, ids that say whom they name, and a way from every former version."""

import pytest

from jobs.lakehouse.contracts import CONTRACTS, TableContract

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
