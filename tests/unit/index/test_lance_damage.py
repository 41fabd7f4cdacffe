"""An index whose files are damaged says so in one line, and is built anew whatever is wrong with it."""

import shutil
from pathlib import Path

import numpy as np
import pytest

from jobs.index.opening import open_reader, open_writer
from jobs.index.stores.lance.dataset import dataset_uri, index_location, opened
from jobs.settings.sections import IndexSettings
from tests.unit.index.arrow_frame import ArrowFrame
from tests.unit.index.index_rows import DIMENSION, MODEL, entity_rows, keys
from udfs.errors import IndexDamagedError
from udfs.functions.index_damage import is_damage

ROWS = 40


@pytest.fixture(scope="module")
def sound(tmp_path_factory):
    """An index with two data files, hidden rows and indexes; tests damage copies of it."""
    settings = IndexSettings(root=str(tmp_path_factory.mktemp("sound")))
    writer = open_writer(settings, MODEL, DIMENSION)
    writer.apply(ArrowFrame(entity_rows(range(ROWS))), ArrowFrame(keys([])))
    writer.optimise(None)
    writer.apply(ArrowFrame(entity_rows([50], part="hood")), ArrowFrame(keys([3])))
    return Path(settings.root)


@pytest.fixture
def place(sound, tmp_path):
    """A copy of it: its settings, and the directory of its dataset."""
    shutil.copytree(sound, tmp_path / "index")
    settings = IndexSettings(root=str(tmp_path / "index"))
    return settings, Path(dataset_uri(index_location(settings.root, MODEL)))


def files(folder, pattern):
    return sorted(path for path in folder.glob(pattern) if path.is_file())


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def flip(path, where):
    content = bytearray(path.read_bytes())
    content[int(len(content) * where)] ^= 0xFF
    path.write_bytes(bytes(content))


def ask(settings):
    return open_reader(settings, MODEL).nearest(np.eye(1, DIMENSION, dtype=np.float32), 5)


SEEN = {
    "a data file is missing": lambda folder: files(folder, "data/*")[0].unlink(),
    "a data file is cut short": lambda folder: cut(files(folder, "data/*")[0]),
    "a data file is empty": lambda folder: files(folder, "data/*")[0].write_bytes(b""),
    "no data file is there": lambda folder: shutil.rmtree(folder / "data"),
    "the list of hidden rows is missing": lambda folder: shutil.rmtree(folder / "_deletions"),
    "an index of a column is missing": lambda folder: shutil.rmtree(folder / "_indices"),
    "an index of a column is cut short": lambda folder: [cut(path) for path in files(folder, "_indices/*/*")],
    "the manifest is cut short": lambda folder: cut(files(folder, "_versions/*.manifest")[0]),
    "the manifest is empty": lambda folder: files(folder, "_versions/*.manifest")[0].write_bytes(b""),
    "the manifest has another byte": lambda folder: flip(files(folder, "_versions/*.manifest")[0], 0.5),
    "every second file was copied": lambda folder: [path.unlink() for path in files(folder, "**/*")[1::2]],
    "the other half was copied": lambda folder: [path.unlink() for path in files(folder, "**/*")[::2]],
}


@pytest.mark.parametrize("damage", SEEN.values(), ids=SEEN)
def test_damage_that_a_listing_shows_is_told_in_one_line_and_mended_by_a_rebuild(place, damage):
    settings, folder = place
    damage(folder)
    with pytest.raises(IndexDamagedError, match=r"The index .*model-a is damaged \(.*\): .*sync-index builds it anew"):
        ask(settings)
    writer = open_writer(settings, MODEL, DIMENSION)
    found = writer.damage()
    assert found is None or (".rs:" not in found and "\n" not in found)
    # What nobody can read has no version either, and is rebuilt for that.
    assert found is not None or writer.version() is None
    assert writer.replace(ArrowFrame(entity_rows(range(7)))).rows == 7
    writer.optimise(None)
    assert writer.damage() is None
    assert len(ask(settings)) == 5


UNSEEN = {
    "bytes of a column": lambda folder: [flip(path, 0.3) for path in files(folder, "data/*")],
    "the end of a data file": lambda folder: [flip(path, 0.999) for path in files(folder, "data/*")],
    "the list of hidden rows": lambda folder: [cut(path) for path in files(folder, "_deletions/*")],
}


@pytest.mark.parametrize("damage", UNSEEN.values(), ids=UNSEEN)
def test_damage_inside_files_is_told_with_the_way_to_prove_it(place, damage):
    settings, folder = place
    damage(folder)
    with pytest.raises(IndexDamagedError, match=r"is damaged \(.*\): run claimlens verify; after it, .*sync-index"):
        ask(settings)
    writer = open_writer(settings, MODEL, DIMENSION)
    with pytest.raises(IndexDamagedError, match="is damaged"):
        writer.apply(ArrowFrame(entity_rows(range(5), part="roof")), ArrowFrame(keys([7])))
    assert writer.replace(ArrowFrame(entity_rows(range(7)))).rows == 7
    assert len(ask(settings)) == 5


def test_a_sound_index_has_no_damage_also_without_what_lance_can_do_without(place):
    settings, folder = place
    (folder / "_versions" / "latest_version_hint.json").write_text("{")
    shutil.rmtree(folder / "_transactions")
    assert open_writer(settings, MODEL, DIMENSION).damage() is None
    assert opened(index_location(settings.root, MODEL)).count_rows() == ROWS
    assert len(ask(settings)) == 5


@pytest.mark.parametrize(
    ("error", "damage"),
    [
        (OSError("Encountered corrupt file binary mini-block"), True),
        (ValueError("Not found: x/data/1.lance"), True),
        (OSError("LanceError(IO): Permission denied (os error 13)"), False),
        (OSError("LanceError(IO): No space left on device"), False),
        (OSError("error sending request: connection refused"), False),
        (ConnectionResetError("peer"), False),
        (ValueError("Invalid input, Error resolving filter expression photos > 1"), False),
        (ValueError("photos: every vector must have 8 numbers"), False),
        (KeyError("x"), False),
    ],
)
def test_only_what_is_wrong_with_the_files_is_damage(error, damage):
    assert is_damage(error) is damage
