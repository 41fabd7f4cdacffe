"""The assessment of claims on executors."""

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from udfs.assessment import Assessment, Evidence, assess_claim, normalised_severity_map

if TYPE_CHECKING:
    import pyarrow as pa

    from udfs.functions.batches import BatchFunction

VERDICT_FIELDS = (
    "worst_severity string, expected_severity string, agreement string, review boolean, review_reasons array<string>"
)
"""What assess_batches adds to a row, as a Spark DDL string."""
EVIDENCE_COLUMNS = tuple(Evidence.__dataclass_fields__)


def assess_batches(
    severity_map: Mapping[str, str],
) -> "BatchFunction":
    """For DataFrame.mapInArrow: rows with the columns of Evidence to the same rows and VERDICT_FIELDS.

    Raises:
        SettingsError: the severity map names an unknown severity.
    """
    severities = normalised_severity_map(severity_map)

    def assess(batches: "Iterator[pa.RecordBatch]") -> "Iterator[pa.RecordBatch]":
        import pyarrow as pa

        for batch in batches:
            rows = batch.select(list(EVIDENCE_COLUMNS)).to_pylist()
            verdicts = [assess_claim(Evidence(**row), severities) for row in rows]
            arrays = list(batch.columns) + _verdict_arrays(verdicts)
            names = [*batch.schema.names, *(field.split()[0] for field in VERDICT_FIELDS.split(", "))]
            yield pa.RecordBatch.from_arrays(arrays, names=names)

    return assess


def _verdict_arrays(verdicts: Sequence[Assessment]) -> "list[pa.Array[Any]]":
    import pyarrow as pa

    reasons = [[str(reason) for reason in verdict.review_reasons] for verdict in verdicts]
    return [
        pa.array([verdict.worst_severity for verdict in verdicts], pa.string()),
        pa.array([verdict.expected_severity for verdict in verdicts], pa.string()),
        pa.array([str(verdict.agreement) for verdict in verdicts], pa.string()),
        pa.array([bool(each) for each in reasons], pa.bool_()),
        pa.array(reasons, pa.list_(pa.string())),
    ]
