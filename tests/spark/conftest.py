"""Empty tables are made once and copied: creating one takes a Delta commit, copying one takes a millisecond."""

import shutil
from collections.abc import Callable, Iterator

import pytest

from jobs.job.context import JobContext
from jobs.lakehouse.contracts import CONTRACTS, TableContract
from jobs.lakehouse.tables import Lakehouse
from jobs.settings.sections import TableSettings
from tests.spark.index_tables import Tables

SHIPPED = dict(CONTRACTS)
create: Callable[[Lakehouse, TableContract], None] = Lakehouse._create


@pytest.fixture(scope="session", autouse=True)
def _tables_from_a_template(spark, tmp_path_factory) -> Iterator[None]:
    """`Lakehouse` creates each table once in the run, and copies it from then on.

    A copy holds what creating it would have given, but for Delta's id of the table: a test that asks for that, or for
    creation itself, takes the fixture `tables_created`.
    """
    made = Lakehouse(spark, TableSettings(root=str(tmp_path_factory.mktemp("template"))))
    there: set[str] = set()

    def copied(lakehouse: Lakehouse, contract: TableContract) -> None:
        path, template = lakehouse.path(contract.name), made.path(contract.name)
        if path is None or template is None or contract is not SHIPPED.get(contract.name):
            create(lakehouse, contract)
            return
        if contract.name not in there:
            create(made, contract)
            there.add(contract.name)
        shutil.copytree(template, path, dirs_exist_ok=True)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Lakehouse, "_create", copied)
        yield


@pytest.fixture
def tables_created(monkeypatch) -> None:
    """Tables are really created, each with an id of its own."""
    monkeypatch.setattr(Lakehouse, "_create", create)


@pytest.fixture
def tables(spark, settings) -> Tables:
    """Three photos of a claim, two of them classified, and a claim without any."""
    made = Tables(JobContext.create(settings))
    made.lakehouse.ensure("passages", "claim_passages", "claim_assessments")
    made.add_photos([1, 2, 3])
    made.claims(C_1="Minor Damage", C_2="Total Loss")
    made.predict([1, 2], "minor")
    return made
