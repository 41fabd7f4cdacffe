"""Decoded frames side by side in one reused, page-locked buffer, so that a batch crosses to the GPU in one copy."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from udfs.images.frames import decode_frame, frame_shape
from udfs.images.photo_error import PhotoError
from udfs.inference.device_errors import failure_of
from udfs.inference.engine import Failure
from udfs.outcome import ErrorCode

if TYPE_CHECKING:
    import torch
    from numpy.typing import NDArray

    from udfs.inference.engine import Content

Shape = tuple[int, int]


@dataclass(frozen=True)
class Group:
    """Frames of one shape: `rows` of the batch, which lie one after the other from byte `start`."""

    shape: Shape
    rows: tuple[int, ...]
    start: int

    @property
    def bytes(self) -> int:
        """Bytes of all its frames."""
        return len(self.rows) * self.shape[0] * self.shape[1] * 3


def layout(shapes: Sequence[Shape | None]) -> list[Group]:
    """Where each frame goes: frames of one shape together, each shape's after the other; None gets no place."""
    rows_of: dict[Shape, list[int]] = {}
    for row, shape in enumerate(shapes):
        if shape is not None:
            rows_of.setdefault(shape, []).append(row)
    groups: list[Group] = []
    for shape, rows in sorted(rows_of.items()):
        start = groups[-1].start + groups[-1].bytes if groups else 0
        groups.append(Group(shape, tuple(rows), start))
    return groups


@dataclass
class Staged:
    """One batch on its way to the GPU. `late` holds frames that only Pillow could decode, `failures` what nobody
    could."""

    jpegs: "Sequence[Content]"
    groups: list[Group]
    at_least: Shape | None
    buffer: "torch.Tensor"
    late: "dict[int, NDArray[np.uint8]]" = field(default_factory=dict)
    failures: dict[int, Failure] = field(default_factory=dict)

    @property
    def bytes(self) -> int:
        """Bytes of the buffer that are in use."""
        return self.groups[-1].start + self.groups[-1].bytes if self.groups else 0

    def places(self) -> list[tuple[int, Shape, int]]:
        """Row, shape and first byte of each frame that has a place."""
        return [
            (row, group.shape, group.start + number * group.shape[0] * group.shape[1] * 3)
            for group in self.groups
            for number, row in enumerate(group.rows)
        ]

    def unplaced(self) -> list[int]:
        """Rows whose shape the header did not tell."""
        placed = {row for group in self.groups for row in group.rows}
        return [row for row in range(len(self.jpegs)) if row not in placed]

    def decode(self, row: int, shape: Shape | None, start: int) -> None:
        """Decode one row to its place, or note why not; for the threads of the cores."""
        jpeg = self.jpegs[row]
        if jpeg is None:
            self.failures[row] = Failure(ErrorCode.UNREADABLE, "no photo in this row")
            return
        place = None if shape is None else self.buffer.numpy()[start : start + shape[0] * shape[1] * 3]
        try:
            frame = decode_frame(memoryview(jpeg), self.at_least, place)
        except PhotoError as error:
            self.failures[row] = Failure(error.code, error.detail)
        except Exception as error:
            self.failures[row] = failure_of(error)
        else:
            if place is None or frame.shape[:2] != shape:
                self.late[row] = frame
            elif not np.may_share_memory(frame, place):
                place[:] = frame.reshape(-1)

    def frames(self) -> "list[NDArray[np.uint8] | Failure]":
        """Every row's frame, still in the buffer where it has a place there, or its failure."""
        whole = self.buffer.numpy()
        frames: list[NDArray[np.uint8] | Failure] = [self.late.get(row, _NOTHING) for row in range(len(self.jpegs))]
        for row, (height, width), start in self.places():
            if row not in self.late:
                frames[row] = whole[start : start + height * width * 3].reshape(height, width, 3)
        return [self.failures.get(row, frame) for row, frame in enumerate(frames)]


_NOTHING = np.zeros((1, 1, 3), np.uint8)


def stage(jpegs: "Sequence[Content]", at_least: Shape | None, buffer: "torch.Tensor", *, pinned: bool) -> Staged:
    """Plan a batch: read the headers, lay the frames out, and see that the buffer is large enough."""
    import torch

    shapes = [None if jpeg is None else frame_shape(memoryview(jpeg), at_least) for jpeg in jpegs]
    staged = Staged(jpegs, layout(shapes), at_least, buffer)
    if staged.bytes > buffer.numel():
        staged.buffer = torch.empty(staged.bytes + staged.bytes // 4, dtype=torch.uint8, pin_memory=pinned)
    return staged
