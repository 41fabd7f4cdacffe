"""Where a model's Lance dataset lies, and what it says about itself."""

from typing import TYPE_CHECKING

from jobs.index.protocol import index_damaged
from jobs.index.stores.lance.damage import damage_of
from jobs.lakehouse.places import address, file_system, local_path
from udfs.errors import IndexMismatchError, InputError

if TYPE_CHECKING:
    import pyarrow as pa
    from lance import LanceDataset

FORMAT = "2"
NAME = "entities.lance"
MODEL_KEY, FORMAT_KEY = "claimlens.model_key", "claimlens.format"


def index_location(root: str, model_key: str) -> str:
    """The directory of a model's index."""
    return f"{address(root).rstrip('/')}/{model_key}"


def dataset_uri(location: str) -> str:
    """The dataset in it; LanceDB opens the directory as a database with the table `entities`."""
    return f"{location}/{NAME}"


def opened(location: str) -> "LanceDataset | None":
    """The dataset's newest version, or None where there is none.

    Raises:
        IndexDamagedError: there is one, and it cannot be read.
    """
    import lance

    uri = dataset_uri(location)
    folder = local_path(uri)
    if folder is not None and not folder.is_dir():
        return None
    with damage_of(location):
        try:
            return lance.dataset(uri)
        except ValueError as error:
            if "was not found" in str(error):
                return None
            raise


def marked(schema: "pa.Schema", model_key: str) -> "pa.Schema":
    """The schema with whose index it is."""
    return schema.with_metadata({FORMAT_KEY: FORMAT, MODEL_KEY: model_key})


def dimension_of(dataset: "LanceDataset") -> int:
    """Length of its vectors."""
    return int(dataset.schema.field("vector").type.list_size)


def check(dataset: "LanceDataset", location: str, model_key: str, dimension: int | None = None) -> None:
    """Refuse an index of another format, model or dimension.

    Raises:
        IndexMismatchError: it is; says which, and how to go on.
    """
    mend = "Set index.root elsewhere, or remove that directory and run claimlens sync-index."
    marks = {key.decode(): value.decode() for key, value in (dataset.schema.metadata or {}).items()}
    if marks.get(FORMAT_KEY) != FORMAT:
        raise IndexMismatchError(f"The index {location} has format {marks.get(FORMAT_KEY)}, not {FORMAT}. {mend}")
    if marks.get(MODEL_KEY) != model_key:
        raise IndexMismatchError(
            f"The index {location} belongs to model_key {marks.get(MODEL_KEY)}, not {model_key}. {mend}"
        )
    if dimension is not None and dimension_of(dataset) != dimension:
        raise IndexMismatchError(
            f"The index {location} holds vectors of {dimension_of(dataset)} numbers, "
            f"the model gives {dimension}. {mend}"
        )


def opened_for_reading(root: str, model_key: str) -> "tuple[str, LanceDataset]":
    """A model's index: its location and its dataset.

    Raises:
        InputError: there is no index yet.
        IndexMismatchError: there is one, of another model_key.
        IndexDamagedError: there is one, and it cannot be read.
    """
    location = index_location(root, model_key)
    dataset = opened(location)
    if dataset is None:
        others = indexes_under(root)
        if model_key in others:
            raise index_damaged(location, "it has no version")
        if others:
            raise IndexMismatchError(
                f"{address(root)} holds no index of model_key {model_key}, only of {', '.join(others)}: "
                "another model, or the same in another dtype. Run claimlens sync-index with this model, or set "
                "models.photo.name and models.photo.dtype to what made it."
            )
        raise InputError(f"There is no index at {location} yet. Run claimlens sync-index first.")
    check(dataset, location, model_key)
    return location, dataset


def indexes_under(root: str) -> list[str]:
    """Keys of the models that have an index under `root`."""
    from pyarrow import fs

    system, inner = file_system(root)
    listed = system.get_file_info(fs.FileSelector(inner, allow_not_found=True))
    held = [entry for entry in listed if entry.type == fs.FileType.Directory]
    paths = system.get_file_info([f"{entry.path}/{NAME}" for entry in held]) if held else []
    return sorted(
        entry.base_name for entry, path in zip(held, paths, strict=True) if path.type == fs.FileType.Directory
    )
