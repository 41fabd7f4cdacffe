"""The Lance store: the contract of every store, and what only files can show."""

import shutil
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from jobs.index.filters import (
    CLAIM_FILTER_COLUMNS,
    DAMAGE_COLUMNS,
    OPERATORS,
    Filter,
    matches,
    parse_filter,
)
from jobs.index.opening import open_reader, open_writer
from jobs.index.stores.lance import housekeeping
from jobs.index.stores.lance.dataset import index_location, opened
from jobs.index.stores.lance.filter_sql import sql_of
from jobs.settings.sections import IndexSettings
from tests.unit.index.arrow_frame import ArrowFrame
from tests.unit.index.index_rows import DIMENSION, MODEL, entity_rows, keys, photo_id
from tests.unit.index.store_contract import CLAIMS, StoreContract
from udfs.errors import IndexMismatchError, InputError


class TestLance(StoreContract):
    @pytest.fixture
    def settings(self, tmp_path):
        return IndexSettings(root=str(tmp_path / "index"))

    def test_an_index_of_another_model_or_dimension_is_refused(self, settings, writer):
        self.put(writer, entity_rows(range(3)))
        with pytest.raises(IndexMismatchError, match="holds vectors of 8 numbers, the model gives 16"):
            open_writer(settings, MODEL, 16)
        with pytest.raises(IndexMismatchError, match="no index of model_key model-c, only of model-a"):
            open_reader(settings, "model-c")
        shutil.move(index_location(settings.root, MODEL), index_location(settings.root, "model-b"))
        with pytest.raises(IndexMismatchError, match="belongs to model_key model-a, not model-b"):
            open_reader(settings, "model-b")

    def test_what_was_deleted_or_whose_claim_left_is_on_no_disk_after_a_purge(self, settings, writer, tmp_path):
        secret = [{"claim_id": "C-9", "policy_id": "policy-of-an-erased-claimant"}]
        writer.replace(ArrowFrame(entity_rows(range(50), claims={3: secret, 4: secret})))
        writer.optimise(None)
        self.put(writer, entity_rows([4]), keys([5]))  # photo 4 is of no claim now
        assert on_disk(tmp_path, photo_id(5))
        writer = open_writer(settings, MODEL, DIMENSION)  # a run that was killed remembers nothing
        writer.optimise(None)
        assert not on_disk(tmp_path, photo_id(5))
        assert on_disk(tmp_path, "policy-of-an-erased")  # of photo 3
        self.put(writer, entity_rows([]), keys([3]))
        writer.optimise(None)
        assert not on_disk(tmp_path, "policy-of-an-erased")
        assert open_reader(settings, MODEL).count() == 48

    @pytest.mark.parametrize("step", ["_compact", "segments.build_scalar", "unnamed_files"])
    def test_a_purge_killed_at_any_step_is_done_by_the_next(self, settings, writer, monkeypatch, tmp_path, step):
        told = [{"claim_id": "C-9", "policy_id": "policy-of-an-erased-claimant", "narrative": "what-was-said-first"}]
        others = {number: [{"claim_id": "C-8", "narrative": "of another"}] for number in range(20)}
        passage = entity_rows([7], entity="passage", text="words-of-a-passage")
        photos = entity_rows(range(20), claims=others | {3: told, 4: told})
        writer.replace(ArrowFrame(pa.concat_tables([photos, passage])))
        writer.optimise(None)
        corrected = entity_rows([4], claims={4: [told[0] | {"narrative": "corrected"}]})
        passage = entity_rows([7], entity="passage", text="others")
        self.put(writer, pa.concat_tables([corrected, passage]), keys([3]))

        def killed(*_, **__):
            raise KeyboardInterrupt

        with monkeypatch.context() as patched:
            patched.setattr(f"jobs.index.stores.lance.housekeeping.{step}", killed)
            with pytest.raises(KeyboardInterrupt):
                writer.optimise(None)
        writer = open_writer(settings, MODEL, DIMENSION)
        writer.optimise(None)
        for gone in (photo_id(3), "what-was-said-first", "words-of-a-passage"):
            assert not on_disk(tmp_path, gone)
        assert on_disk(tmp_path, "corrected")
        assert housekeeping.OWED not in opened(writer.location).config()

    def test_what_a_killed_run_wrote_without_a_commit_goes_once_that_is_owed(self, settings, writer, tmp_path):
        self.put(writer, entity_rows(range(5)))
        secret = {9: [{"claim_id": "C-9", "policy_id": "policy-of-an-erased-claimant"}]}
        writer._written(ArrowFrame(entity_rows([9], claims=secret)), append=True)
        assert on_disk(tmp_path, "policy-of-an-erased")
        writer.owe_purge()
        writer.optimise(None)
        assert not on_disk(tmp_path, "policy-of-an-erased")
        assert open_reader(settings, MODEL).count() == 5

    def test_labels_that_change_owe_no_purge(self, writer):
        self.put(writer, entity_rows(range(5), claims=CLAIMS))
        self.put(writer, entity_rows(range(5), claims=CLAIMS, severity="total"))
        assert housekeeping.OWED not in opened(writer.location).config()

    def test_a_purge_stays_owed_until_no_unnamed_file_is_left(self, writer, monkeypatch):
        self.put(writer, entity_rows(range(5)))
        self.put(writer, entity_rows([]), keys([3]))
        with monkeypatch.context() as patched:
            patched.setattr(housekeeping, "unnamed_files", lambda _: {"left.lance"})
            writer.optimise(None)
        assert housekeeping.OWED in opened(writer.location).config()
        writer.optimise(None)
        assert housekeeping.OWED not in opened(writer.location).config()


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    settings = IndexSettings(root=str(tmp_path_factory.mktemp("index")))
    writer = open_writer(settings, MODEL, DIMENSION)
    writer.apply(ArrowFrame(entity_rows(range(6), claims=CLAIMS)), ArrowFrame(keys([])))
    return opened(writer.location)


ODD = (
    *("1e308", "-1e308", "1e-320", "1e400", "1_000", "2147483648", "99999999999999999999999", "0x10", "2.5", "NaN"),
    *("9999-12-31", "0001-01-01", "10000-01-01", "2024-02-30", "1677-01-01", "2262-12-31", "20240531"),
    *("9999-12-31T23:59:59.999999", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2024-05-31T25:00"),
    *(
        "it's",
        "''",
        "'",
        '"',
        "'a\"",
        "a' OR '1'='1",
        "\\",
        "a\\'b",
        "%",
        "--",
        ";",
        "(",
        "()",
        "(a",
        ",",
        "a,,b",
        "('a','b')",
    ),
    *("\x00", "\x1f", "\x1fdent\x1f", "\ud800", "漢字", "İ", "e\u0301", "a\nb", "null", "true"),
)


@pytest.mark.parametrize("odd", ODD, ids=ascii)
def test_whatever_a_filter_says_is_asked_or_refused_in_one_line(dataset, odd):
    asked, refused = [], []
    for column in {**CLAIM_FILTER_COLUMNS, **DAMAGE_COLUMNS}:
        for how in OPERATORS:
            try:
                asked.append(parse_filter(f"{column} {how} {odd}"))
            except InputError as error:
                refused.append(str(error))
    assert all(line.isprintable() for line in refused)
    for entry in asked:
        dataset.count_rows(filter=sql_of([entry]))


TEXTS = st.sampled_from(["total loss", "minor damage", "c-1", "c-2", "o'brien", "dent", "loss", "", "\x1f"])


def on_claims(columns, kind, operators, values):
    return st.builds(
        Filter, st.sampled_from(columns), st.just(kind), st.sampled_from(operators), st.tuples(values), st.just(True)
    )


NUMBERS = st.sampled_from([100, 7000.0, 8999.5, 9000])
CONDITIONS = st.one_of(
    on_claims(["reported_severity", "claim_id", "narrative"], "STRING", ["=", "!=", "contains", "<", "in"], TEXTS),
    on_claims(["damages"], "ARRAY<STRING>", ["=", "!=", "contains"], TEXTS),
    on_claims(["amount_total"], "DOUBLE", ["=", "!=", "<", "<=", ">", ">=", "in"], NUMBERS),
    on_claims(["review"], "BOOLEAN", ["=", "!="], st.booleans()),
)


@given(conditions=st.lists(CONDITIONS, min_size=1, max_size=3))
def test_lance_lets_through_whatever_passes(dataset, conditions):
    through = {row["entity_id"] for row in dataset.to_table(filter=sql_of(conditions)).to_pylist()}
    passing = {row["entity_id"] for row in dataset.to_table().to_pylist() if matches(conditions, row)}
    assert passing <= through


def on_disk(folder, needle):
    return any(needle.encode() in path.read_bytes() for path in Path(folder).rglob("*") if path.is_file())
