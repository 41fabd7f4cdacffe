"""What safetensors files say without loading them: the tensors' shapes, and single numbers. No torch needed."""

import json
import struct
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from udfs.errors import ModelError, first_line


def tensor_shapes(path: Path) -> dict[str, list[int]]:
    """The shape of every tensor in a file.

    Raises:
        ModelError: the file is incomplete, or no safetensors file.
    """
    with _opened(path) as file:
        return {name: list(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - not a mapping


def number(paths: tuple[Path, ...], name: str) -> float | None:
    """The tensor of this name, which holds a single number, from the first of the files that has it; else None.

    Raises:
        ModelError: a file is incomplete, or no safetensors file.
    """
    for path in paths:
        with _opened(path) as file:
            if name in file.keys():  # noqa: SIM118 - not a mapping
                if file.get_slice(name).get_dtype() == "BF16":
                    return _bfloat16(path, name)
                return float(file.get_tensor(name).reshape(-1)[0])
    return None


def _bfloat16(path: Path, name: str) -> float:
    # numpy has no such type. The format, from the README of huggingface/safetensors: the header's length in 8 bytes,
    # little-endian; the header in JSON; the tensors. A bfloat16 is the upper half of a float32.
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        begin, _ = json.loads(file.read(length))[name]["data_offsets"]
        file.seek(8 + length + begin)
        return float(struct.unpack("<f", b"\0\0" + file.read(2))[0])


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="numpy") as file:
            yield file
    except SafetensorError as error:
        if "incomplete metadata" in str(error):
            size = path.stat().st_size
            raise ModelError(
                f"{path} is incomplete: its {size} bytes are not all of it; copy the model again."
            ) from error
        raise ModelError(f"{path} is not a safetensors file ({first_line(error)}); copy the model again.") from error
    except OSError as error:
        raise ModelError(f"{path} cannot be read ({first_line(error)}).") from error
