"""Kinds of model: how a reference is described, and how it is opened.

A kind is found by its name: those that come with claimlens first, then what installed packages offer as entry points of
the group `claimlens.models`. Such a package has to be on the driver and on the executors:

    [project.entry-points."claimlens.models"]
    house = "insurer.models:KIND"
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from udfs.errors import ModelError, first_line

if TYPE_CHECKING:
    from udfs.inference.engine import Engine
    from udfs.models.description import ModelDescription
    from udfs.models.reference import ModelReference

GROUP = "claimlens.models"
_OURS = {"transformers": EntryPoint("transformers", "udfs.models.transformers.kind:KIND", GROUP)}


@dataclass(frozen=True)
class Resources:
    """What an engine may use of the process that opens it.

    `cores` has one thread per core, shared by all engines, so that no core has two things to do; `workers` is how many
    those are. `batch_size` is how many rows go through the model together; None takes what suits it.
    """

    cores: ThreadPoolExecutor
    workers: int
    batch_size: int | None = None


@dataclass(frozen=True)
class Kind:
    """`describe` reads what a reference means, on the driver and without loading it; `open` makes it ready to work, in
    the process that holds the models. `settle` decides what a reference leaves open, so that all executors open the
    same. All three raise ModelError.

    Opening one model again while it is open, in another batch size, should share its weights.
    """

    describe: "Callable[[ModelReference], ModelDescription]"
    open: "Callable[[ModelReference, Resources], Engine]"
    settle: "Callable[[ModelReference], ModelReference]" = lambda reference: reference


@cache
def kind_named(name: str) -> Kind:
    """The kind of this name.

    Raises:
        ModelError: there is none, or the package that offers it is broken.
    """
    offered = {found.name: found for found in entry_points(group=GROUP)} | _OURS
    if name not in offered:
        raise ModelError(
            f"model kind {name} is not known here; use {', '.join(sorted(offered))}, or install the package that "
            f"offers it (entry point group {GROUP}) on the driver and the executors."
        )
    place = f"model kind {name} ({offered[name].value})"
    try:
        kind = offered[name].load()
    except Exception as error:
        raise ModelError(f"{place} cannot be imported: {type(error).__name__}: {first_line(error)}") from error
    if not isinstance(kind, Kind):
        raise ModelError(f"{place} is a {type(kind).__name__}; it has to be a udfs.models.kinds.Kind.")
    return kind


def settled(reference: "ModelReference") -> "ModelReference":
    """The reference with everything decided that its settings leave open, as it is shipped to executors.

    Raises:
        ModelError: it cannot be decided, or its kind is not known.
    """
    return kind_named(reference.kind).settle(reference)


def describe_model(reference: "ModelReference") -> "ModelDescription":
    """Say what the model is, without loading it.

    Raises:
        ModelError: it is missing or damaged, or its kind is not known.
    """
    return kind_named(reference.kind).describe(reference)


def open_model(reference: "ModelReference", resources: Resources) -> "Engine":
    """The model, ready to work. On executors the host process does this, once for all tasks (udfs.inference.host).

    Raises:
        ModelError: the model is missing or incomplete, its device is not there, or its kind is not known.
    """
    return kind_named(reference.kind).open(reference, resources)
