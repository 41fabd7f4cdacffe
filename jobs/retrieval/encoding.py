"""From what a person asks with to vectors: the same way, in the same process, as the photos of the tables went."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from udfs.errors import InputError, ModelError
from udfs.inference.tasks import Task

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from jobs.job.model import CurrentModel
    from jobs.settings.sections import IngestSettings

Encode = Callable[[Task, Sequence[bytes | str]], "NDArray[np.float32]"]
"""(embed photos or texts, contents) -> their unit vectors [n, d], in order."""
TRIES = 2


def encoding_by_host(model: "CurrentModel", say: Callable[[str], None]) -> Encode:
    """Encode by the process that holds the model, which is started where there is none; none of it is loaded here.

    Args:
        model: the model of the index.
        say: told when the answer has to wait for the model, and when the model did not read all of a question.

    The function that it gives may be called by several threads at once. It raises InputError for a content that has
    no vector, and ModelError when the model cannot be loaded or its process ends twice in the middle of a question.
    """

    def encode(task: Task, contents: Sequence[bytes | str]) -> "NDArray[np.float32]":
        for attempt in range(1, TRIES + 1):
            try:
                return _vectors(model, task, contents, say)
            except ConnectionError as error:
                if attempt == TRIES:
                    raise ModelError(
                        f"The process that holds the model {model.name} ended {TRIES} times in the middle of the "
                        f"question ({error}). Ask again; when it happens again, look for what ends it, such as too "
                        "little memory."
                    ) from None
                say(f"the process that holds the model ended; asking a new one for {model.name} ...")
        raise AssertionError("unreachable")

    return encode


def sanitised(content: bytes, name: str, settings: "IngestSettings") -> bytes:
    """The JPEG that ingest would have written for this photo file.

    Raises:
        InputError: not a photo that can be read; says why.
    """
    from udfs.images.decoders.pool import decoders

    # As in ingest, in a process that it cannot take along: who asks may be a service.
    cleaned = decoders().sanitise(content, settings.limits)
    if cleaned.jpeg is None:
        raise InputError(
            f"--photo {name}: not a photo that can be read ({cleaned.error_code}: {cleaned.error_detail})."
        )
    return cleaned.jpeg


def _vectors(
    model: "CurrentModel", task: Task, contents: Sequence[bytes | str], say: Callable[[str], None]
) -> "NDArray[np.float32]":
    import numpy as np
    import pyarrow as pa

    from udfs.inference.host.client import run_task

    told: set[str] = set()

    def once(reason: str) -> None:
        if reason not in told:
            told.add(reason)
            say(f"waiting: {reason} ...")

    ids = [str(number) for number in range(len(contents))]
    asked = pa.RecordBatch.from_pydict({"entity_id": ids, task.column: contents}, task.inputs)
    batches: Iterator[pa.RecordBatch] = iter([asked])
    answers = run_task(
        batches,
        model.reference,
        model.model_key,
        task.name,
        cores=model.settings.cores,
        lasting=True,  # the next question comes from another process, a minute later
        waiting=once,
    )
    wanted = ["vector", "error_code", "error_detail", "tokens_cut"]
    rows = [row for batch in answers for row in batch.select(wanted).to_pylist()]
    failed = next((row for row in rows if row["vector"] is None), None)
    if failed is not None:
        raise InputError(
            f"The model {model.name} has no vector for what was asked ({failed['error_code']}: "
            f"{failed['error_detail']})."
        )
    cut = max(row["tokens_cut"] or 0 for row in rows)
    if cut:
        say(f"the question is longer than {model.name} reads: its last {cut} tokens were left out")
    return np.asarray([row["vector"] for row in rows], dtype=np.float32)
