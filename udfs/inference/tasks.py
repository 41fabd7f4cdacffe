"""What a model can be asked: each task's name, the column it reads and the rows it gives; for Spark, wire and engine.

A task is a verb and what it is done to. score, rerank and generate become entries here when an engine does them. The
Arrow schemas are made on demand: the names alone are wanted where pyarrow is not loaded.
"""

from dataclasses import dataclass
from functools import cached_property
from types import MappingProxyType
from typing import TYPE_CHECKING

from udfs.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa


@dataclass(frozen=True)
class Task:
    """One thing that can be asked of a model. `column` holds what it reads, `content` is its Arrow type."""

    name: str
    column: str
    content: str

    @cached_property
    def inputs(self) -> "pa.Schema":
        """The rows that it reads: entity_id and its column."""
        import pyarrow as pa

        return pa.schema([("entity_id", pa.string()), (self.column, pa.type_for_alias(self.content))])

    @cached_property
    def outputs(self) -> "pa.Schema":
        """The rows that it gives, one for each that it reads, in order.

        `vector` is of unit length, and null where `status` is failed; `error_code` and `error_detail` then say why.
        `tokens_cut` says how many tokens at a text's end the model did not read, null for photos and failures.
        `worker` is host:process of the process that holds the model, host[GPU]:process where it has one GPU alone.
        `measures` stands in the first row of each batch: seconds of work in it by stage (decode, resize, copy, launch,
        forward, wait), `rows`, `cut` (texts of which not all was read, if any), and of that process loads,
        load_seconds, resident_bytes, peak_bytes, batch_size.
        """
        import pyarrow as pa

        return pa.schema(
            [
                ("entity_id", pa.string()),
                ("vector", pa.list_(pa.float32())),
                ("dimension", pa.int32()),
                ("norm", pa.float64()),
                ("status", pa.string()),
                ("error_code", pa.string()),
                ("error_detail", pa.string()),
                ("tokens_cut", pa.int32()),
                ("worker", pa.string()),
                ("measures", pa.map_(pa.string(), pa.float64())),
            ]
        )


EMBED_PHOTOS = Task("embed_photos", "jpeg", "binary")
"""Sanitised JPEGs to unit vectors."""
EMBED_TEXTS = Task("embed_texts", "text", "string")
"""Texts to unit vectors; blank ones have none."""

TASKS: "Mapping[str, Task]" = MappingProxyType({task.name: task for task in (EMBED_PHOTOS, EMBED_TEXTS)})


def tasks_of(*, has_text: bool) -> frozenset[str]:
    """Names of what an encoder of photos does, and of texts where it has a tower for them."""
    return frozenset({EMBED_PHOTOS.name, EMBED_TEXTS.name} if has_text else {EMBED_PHOTOS.name})


def task_named(name: str) -> Task:
    """The task of this name.

    Raises:
        ModelError: there is none.
    """
    if name not in TASKS:
        raise ModelError(f"task {name} is not known; use {', '.join(TASKS)}.")
    return TASKS[name]
