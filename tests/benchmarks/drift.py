"""How far decoding small and the product's own precision move the vectors, on photos of the sets themselves."""

from dataclasses import asdict
from typing import Any

from tests.benchmarks.contract import Work

SAMPLE = 96
LABELS = 8


def measure_drift(work: Work, began: float) -> dict[str, Any]:
    """See fidelity.Fidelity: cosines to Pillow, the model's own processor and float32, over whole photos of the set.

    The labels are the nearest of LABELS k-means centres of the slow way's vectors: these borders run through the midst
    of the photos, where the smallest drift shows.
    """
    import pyarrow.parquet as pq
    from sklearn.cluster import KMeans

    from tests.benchmarks.batch_functions import opened
    from tests.benchmarks.fidelity import fidelity, slow_vectors
    from tests.benchmarks.models import reference_to

    batches = (batch for file in work.files() for batch in pq.ParquetFile(file).iter_batches(8, columns=["jpeg"]))
    jpegs: list[bytes] = []
    for batch in batches:
        jpegs += [jpeg for jpeg in batch["jpeg"].to_pylist() if opened(jpeg) is not None]
        if len(jpegs) >= SAMPLE:
            break
    reference, jpegs = reference_to(work.model, "cpu"), jpegs[:SAMPLE]
    slow = slow_vectors(reference, jpegs)
    centres = KMeans(LABELS, n_init=4, random_state=0).fit(slow)
    return asdict(fidelity(reference, jpegs, head=centres.predict, expected=slow))
