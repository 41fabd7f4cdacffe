"""sentence-transformers' own loop: pictures opened by Pillow, SentenceTransformer.encode with torch on all cores.

MobileNet is not among the models it knows by itself; it runs as its Transformer module with the modality spelt out.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from tests.benchmarks.contract import SAME_KERNEL, Engine, Pass, Work

ROWS_READ = 128
"""Photos read and opened together: four batches of the model, as many decoded pictures as a user would hold."""


def start(work: Work) -> Pass:
    """See contract.Engine."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import torch

    from tests.benchmarks.batch_functions import BATCH_ROWS, as_lists, opened

    torch.set_num_threads(work.cores)
    model = _model(work)

    def one_pass(files: Sequence[Path], table: Path) -> None:
        table.mkdir()
        schema = pa.schema([("photo_id", pa.string()), ("vector", pa.list_(pa.float32()))])
        with pq.ParquetWriter(table / "vectors.parquet", schema) as writer:
            for file in files:
                for batch in pq.ParquetFile(file).iter_batches(ROWS_READ):
                    pictures = [opened(jpeg) for jpeg in batch["jpeg"].to_pylist()]
                    kept = [row for row, picture in enumerate(pictures) if picture is not None]
                    found = model.encode(
                        [pictures[row] for row in kept],
                        batch_size=BATCH_ROWS[work.encoder],
                        normalize_embeddings=True,
                        show_progress_bar=False,
                    )
                    vectors: list[Any] = [None] * len(pictures)
                    for row, vector in zip(kept, found, strict=True):
                        vectors[row] = vector
                    writer.write_batch(pa.record_batch([batch["photo_id"], as_lists(vectors)], schema=schema))

    return one_pass


def _model(work: Work) -> Any:
    from sentence_transformers import SentenceTransformer

    if work.encoder == "clip":
        return SentenceTransformer(str(work.model), device="cpu")
    from sentence_transformers.base.modules.transformer import Transformer

    network = Transformer(
        str(work.model),
        modality_config={"image": {"method": "forward", "method_output_name": "pooler_output"}},
        module_output_name="sentence_embedding",
    )
    return SentenceTransformer(modules=[network], device="cpu")


def refuses(work: Work) -> str | None:
    """Why a cell cannot be done."""
    return "no engine to put a kernel into" if work.track == SAME_KERNEL else None


ENGINE = Engine(
    title="sentence-transformers",
    interface={1: "SentenceTransformer.encode, Pillow"},
    start=start,
    refuses=refuses,
)
