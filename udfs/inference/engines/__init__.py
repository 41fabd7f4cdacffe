"""What runs the model: all cores of a machine, or one GPU with the cores decoding for it."""

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from udfs.inference.engine import Engine
    from udfs.inference.network import Encoder


def engine_for(
    encoder: "Encoder",
    cores: ThreadPoolExecutor,
    workers: int,
    batch_size: int | None = None,
    *,
    static: bool = False,
) -> "Engine":
    """The engine for the encoder's device.

    Args:
        encoder: loaded, on its device.
        cores: one thread per core, shared by all engines of the process, so that no core has two things to do.
        workers: how many threads that are.
        batch_size: rows that go through the model together; None takes what suits the device.
        static: pad every batch to that many rows, as a compiled model wants it; on a GPU this is always done.
    """
    if encoder.device.type == "cpu":
        from udfs.inference.engines.cores import CoreEngine

        return CoreEngine(encoder, cores, workers, batch_size, static=static)
    from udfs.inference.engines.device import DeviceEngine

    return DeviceEngine(encoder, cores, batch_size)
