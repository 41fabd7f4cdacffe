"""A host process whose models are stand-ins that fail on demand; started as a script, in place of the real one.

The model's name says what it does: `good`, or `FAULT-N`, which comes to its fault at the N-th forward pass.
"""

import errno
import itertools
import os
import sys
import time

import torch

from udfs.errors import ModelError
from udfs.inference.engines import engine_for
from udfs.inference.host import server as host
from udfs.inference.host.model_cache import Residents
from udfs.inference.pixels import StandardPixels
from udfs.models import ModelReference
from udfs.models.kinds import Resources

KEY = "stub"
DIMENSION = 4
DEADLY = 1e-3
"""A photo of one colour ends the process of the model `crash`: its pixels differ by less than this."""
SLOW_SECONDS = 3.0


class StubEncoder:
    """Reads the first pixels of a photo as its vector."""

    model_key, dimension, has_text, logit_scale = KEY, DIMENSION, False, None
    load_seconds, resident_bytes, portion = 0.0, 0, 2
    device, dtype = torch.device("cpu"), torch.float32
    pixels = StandardPixels((8, 8), None, "bilinear", (1 / 255,) * 3, (0.1,) * 3, None)

    def __init__(self, reference: ModelReference) -> None:
        self._fault, _, number = reference.name.partition("-")
        self._calls = itertools.count(1)
        self._number = int(number or 0)
        if self._fault == "unloadable":
            raise torch.OutOfMemoryError("CUDA out of memory.")
        if self._fault == "unreadable":
            raise PermissionError(errno.EACCES, "Permission denied", "/models/stub/model.safetensors")
        if self._fault == "full":
            raise OSError(errno.ENOSPC, "No space left on device")
        if self._fault == "unreachable":
            raise ConnectionRefusedError(errno.ECONNREFUSED, "Connection refused")

    def features(self, batch) -> torch.Tensor:
        if next(self._calls) == self._number:
            if self._fault == "lost":
                raise torch.AcceleratorError("CUDA error: an illegal memory access was encountered")
            if self._fault == "unusable":
                raise ModelError("model stub cannot be compiled on this machine; install a C++ compiler.")
        pixels = batch["pixel_values"].flatten(1)
        if self._fault == "crash" and (pixels.std(dim=1) < DEADLY).any():
            os.abort()
        if self._fault == "slow":
            time.sleep(SLOW_SECONDS)
        return pixels[:, :DIMENSION]


def open_stub(reference: ModelReference, resources: Resources):
    return engine_for(StubEncoder(reference), resources.cores, resources.workers, resources.batch_size)


if __name__ == "__main__":
    host._residents = lambda options: Residents(options.cores, open_stub)
    sys.exit(host.main())
