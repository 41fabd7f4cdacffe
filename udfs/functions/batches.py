"""What Spark is handed for `DataFrame.mapInArrow`."""

from collections.abc import Callable, Iterator

import pyarrow as pa

BatchFunction = Callable[[Iterator[pa.RecordBatch]], Iterator[pa.RecordBatch]]
