"""HEIF files to try, put together box by box (ISO/IEC 23008-12) around pictures that were coded once: nothing here can
code HEVC. Each shows `pictures.quarters()`."""

import base64
import struct
from dataclasses import dataclass

SIZE = (96, 64)


@dataclass(frozen=True)
class Coded:
    """A picture as a file holds it: how it is coded (hvcC), and the code."""

    configuration: bytes
    data: bytes
    bits: int = 8


def _coded(configuration: str, data: str, bits: int = 8) -> Coded:
    return Coded(base64.b64decode(configuration), base64.b64decode(data), bits)


EIGHT_BITS = _coded(
    "AQNwAAAAAAAAAAAAHvAA/P34+AAADwNgAAEAGEABDAH//wNwAAADAJAAAAMAAAMAHroCQGEAAQArQgEBA3AAAAMAkAAAAwAAAwAeoDCBBZbqSSmu"
    "bgIaDAgAAAMAyAAAAwAIQGIAAQAHRAHBcrAiQA==",
    "AAAAyigBrw7g6DMAwHJ1/tdxP//Rh3IfzaSGiraB37FR//o2v/+12moTPwHWa0er9gT+hyj1dziGRQ8ZQD8w9LHKhRi17vOTTNTYjbh8CGjauZAb"
    "JT7rn8RSCD/8VYXj+gfo//oaI1Rj+Koy24ELmIDgdPYZO5w0tN/bDSVsxdouwX9cgo+2WezDn4Bbe32E+RjMvTpgbPDln9P+lhHeV8//3Chn/ntB"
    "5H/oaET+rFZFHSPWUeurwfdSsuW4kGmsJbkJta7CIgzVK7+dTrg=",
)
TEN_BITS = _coded(
    "AQQIAAAAAAAAAAAAHvAA/P36+gAADwNgAAEAF0ABDAH//wQIAAADAJ24AAADAAAeugJAYQABAClCAQEECAAAAwCduAAAAwAAHqAwgQTZbqSSmubg"
    "IaDAgAAADIAAAAMAhGIAAQAHRAHBcrAiQA==",
    "AAAAgCgBrw7g6JSAwHJ1/tdxP//R+vIfzdGeiraB37Hz//n+f/+2WGoTPzrro6qW/0w8OUe9fZF9k/9q9y//HxmP/xrBV5KUu7/NLZ7/EFBV8x3T"
    "C9eTO9Vd9tZ/E7+5/B3UABLypQABxANj4LZnsYKiMCJ7Mu+nJ8M87GzYkZDhp19g",
    bits=10,
)
ALPHA = _coded(
    "AQQIAAAAAAAAAAAAHvAA/Pz4+AAADwNgAAEAF0ABDAH//wQIAAADAJ/4AAADAAAeugJAYQABACZCAQEECAAAAwCf+AAAAwAAHsDCBBZbqSSmubAg"
    "AAADAyAAAAMAIWIAAQAHRAHBcrAiQA==",
    "AAAA4igBrh3A5tAT+RY/8t2gkWMP+Q0fM6JqMPOzx7Fo2tEe+oV6InnH5+pRZHGRSxOMPpWe+3fr14xG8acVlwMTes9mdWtxWsH+pnEvXdn0/wwr"
    "2a9GAZcSiQfbWHRznKk+kbY6Pui9Qoy/oGmqa7wpkVryHtPAGdHU3BoZYVPMsdUoJ1nwhlyGop7ofOfo7o7KKp+R/MvMuM/+iSG87obcfaQisFoY"
    "eajXM++7etWUnls+oNEIHwKsBpXuRJNnt/hfifBEh619mNmKYve+rhkBjbs5A5FOyO2H1gGCzJNHjxrZxYA=",
)
"""Transparent in the upper left quarter."""


def heif(
    *pictures: Coded,
    turns: int = 0,
    mirror: int | None = None,
    alpha: Coded | None = None,
    exif: bytes = b"",
    profile: bytes = b"",
    primary: int = 1,
    size: tuple[int, int] = SIZE,
    brand: bytes = b"heic",
) -> bytes:
    """A file of these pictures: `turns` of 90 degrees to the left (irot), then mirrored (imir 0: upside down, 1: left
    to right); `primary` counts from 1."""
    items = [(b"hvc1", picture.data) for picture in pictures]
    shared = [_box(b"ispe", struct.pack(">3I", 0, *size))]
    shared += [_box(b"irot", bytes([turns]))] if turns else []
    shared += [_box(b"imir", bytes([mirror]))] if mirror is not None else []
    shared += [_box(b"colr", b"prof" + profile)] if profile else []
    properties, owned = list(shared), []
    for picture in (*pictures, *([alpha] if alpha else [])):
        own = [_box(b"hvcC", picture.configuration), _box(b"pixi", bytes([0, 0, 0, 0, 1, picture.bits]))]
        if picture is alpha:
            own.append(_box(b"auxC", bytes(4) + b"urn:mpeg:hevc:2015:auxid:1\0"))
        owned.append([*range(1, len(shared) + 1), *(len(properties) + number for number in range(1, len(own) + 1))])
        properties += own
    references = b""
    if alpha:
        items.append((b"hvc1", alpha.data))
        references += _box(b"auxl", struct.pack(">3H", len(items), 1, 1))
    if exif:
        items.append((b"Exif", struct.pack(">I", 0) + exif))
        references += _box(b"cdsc", struct.pack(">3H", len(items), 1, primary))
    entries = b"".join(
        _box(b"infe", struct.pack(">IHH", 2 << 24, number, 0) + kind + b"\0")
        for number, (kind, _) in enumerate(items, 1)
    )
    association = struct.pack(">II", 0, len(owned)) + b"".join(
        struct.pack(">HB", number, len(own)) + bytes(own) for number, own in enumerate(owned, 1)
    )
    container = _box(b"iprp", _box(b"ipco", b"".join(properties)) + _box(b"ipma", association))

    def meta(start: int) -> bytes:
        places, position = b"", start
        for number, (_, data) in enumerate(items, 1):
            places += struct.pack(">3H2I", number, 0, 1, position, len(data))
            position += len(data)
        return _box(
            b"meta",
            bytes(4)
            + _box(b"hdlr", bytes(8) + b"pict" + bytes(13))
            + _box(b"pitm", struct.pack(">IH", 0, primary))
            + _box(b"iloc", struct.pack(">IHH", 0, 0x4400, len(items)) + places)
            + _box(b"iinf", struct.pack(">IH", 0, len(items)) + entries)
            + container
            + (_box(b"iref", bytes(4) + references) if references else b""),
        )

    kind = _box(b"ftyp", brand + bytes(4) + b"mif1heic")
    start = len(kind) + len(meta(0)) + 8
    return kind + meta(start) + _box(b"mdat", b"".join(data for _, data in items))


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I", len(content) + 8) + kind + content
