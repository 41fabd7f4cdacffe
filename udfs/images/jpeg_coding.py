"""What a JPEG's frame header says of its coding: kinds not decoded here, and the memory that decoding takes."""

from dataclasses import dataclass

from udfs.images.jpeg_structure import JpegStructure
from udfs.images.photo_error import PhotoError
from udfs.outcome import ErrorCode

_LOSSLESS = {0xC3, 0xC7, 0xCB, 0xCF}
_HIERARCHICAL = {0xC5, 0xC6, 0xCD, 0xCE}
_PROGRESSIVE = {0xC2, 0xCA}
_BYTES_OF_A_BLOCK = 64 * 2


@dataclass(frozen=True)
class JpegFrame:
    """What a frame header (ITU-T T.81, B.2.2) says."""

    marker: int
    bits: int
    width: int
    height: int
    sampling: tuple[tuple[int, int], ...]
    """Of each component, how many blocks wide and high its part of a unit is."""


def read_frame(content: bytes, structure: JpegStructure) -> JpegFrame | None:
    """The frame header of a JPEG; None where there is none, or it is cut short."""
    found = next(((start, end) for marker, start, end in structure.segments if marker == structure.frame), None)
    if structure.frame is None or found is None:
        return None
    header = content[found[0] + 4 : found[1]]
    if len(header) < 6 or len(header) < 6 + 3 * header[5]:
        return None
    sampling = tuple((pair >> 4, pair & 0x0F) for pair in header[7 : 6 + 3 * header[5] : 3])
    height, width = (int.from_bytes(header[start : start + 2], "big") for start in (1, 3))
    return JpegFrame(structure.frame, header[0], width, height, sampling)


def refuse_unsupported(frame: JpegFrame | None) -> None:
    """Raise PhotoError UNSUPPORTED_FORMAT for a sound picture that the decoder has no code for."""
    if frame is None:
        return
    if frame.marker in _LOSSLESS or frame.marker in _HIERARCHICAL:
        kind = "lossless" if frame.marker in _LOSSLESS else "hierarchical"
        raise PhotoError(ErrorCode.UNSUPPORTED_FORMAT, f"JPEG: of the {kind} kind, which is not decoded here")
    if frame.bits != 8 and 2 <= frame.bits <= 16:
        raise PhotoError(ErrorCode.UNSUPPORTED_FORMAT, f"JPEG: of {frame.bits} bits a sample, 8 are decoded here")


def coefficient_bytes(frame: JpegFrame | None, scans: int) -> int:
    """Bytes that decoding takes beside the picture: all coefficients, where they come in more than one scan."""
    if frame is None or (frame.marker not in _PROGRESSIVE and scans <= 1) or not frame.sampling:
        return 0
    widest, highest = (max(1, *(pair[axis] for pair in frame.sampling)) for axis in (0, 1))
    units = -(-frame.width // (8 * widest)) * -(-frame.height // (8 * highest))
    return units * sum(wide * high for wide, high in frame.sampling) * _BYTES_OF_A_BLOCK
