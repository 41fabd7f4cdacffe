"""What became of one photo, claim or passage: a status, and a code from a closed list."""

from enum import StrEnum


class Status(StrEnum):
    """Every row that went in comes out with one of these."""

    OK = "ok"
    FAILED = "failed"


class ErrorCode(StrEnum):
    """Why a row failed: the code, what it means, and what to do about it. Tables carry a CHECK constraint with exactly
    these values. A row that failed stays as it is until its file has other bytes, or until somebody deletes it,
    unless the code is `retryable`."""

    meaning: str
    remedy: str

    def __new__(cls, code: str, meaning: str = "", remedy: str = "") -> "ErrorCode":
        """A code with its words."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning, member.remedy = meaning, remedy
        return member

    EMPTY = (
        "empty",
        "The file holds no bytes at all.",
        "The upload was interrupted: ask for the photo again.",
    )
    NOT_AN_IMAGE = (
        "not_an_image",
        "The contents are not a picture of any known format, whatever the file's name says.",
        "Often a document or a web page saved under a photo's name: file it elsewhere.",
    )
    UNSUPPORTED_FORMAT = (
        "unsupported_format",
        "A picture, but of a format or variant that cannot be decoded here (HEIF without its plug-in, SVG, raw).",
        "Convert it to JPEG or PNG, put that in its place, and ingest.",
    )
    TRUNCATED = (
        "truncated",
        "The file ends before the picture does.",
        "The upload was cut off: ask for the photo again.",
    )
    CORRUPT = (
        "corrupt",
        "The format is known, but the contents do not decode.",
        "The file was damaged in storage or transfer: fetch it again from its source, and ingest.",
    )
    TOO_MANY_BYTES = (
        "too_many_bytes",
        "The file is larger than ingest.maximum_bytes allows.",
        "Put a smaller version in its place; or raise the setting, delete its rows in photos and photo_files, and "
        "ingest.",
    )
    TOO_MANY_PIXELS = (
        "too_many_pixels",
        "Decoding the picture would take more pixels than ingest.maximum_pixels allows.",
        "Suspect a decompression bomb. Where such pictures are expected, raise the setting, delete its rows in photos "
        "and photo_files, and ingest.",
    )
    UNREADABLE = (
        "unreadable",
        "The file was listed, but its bytes could not be read.",
        "See that it is there and that the job may read it, and ingest: it is tried again each time.",
    )
    OUT_OF_MEMORY = (
        "out_of_memory",
        "The photo did not fit into the device's memory, even alone.",
        "Free the device's memory or use a larger device; delete the photo's row in embeddings, and embed.",
    )
    MODEL_FAILED = (
        "model_failed",
        "The model raised an error, or gave a vector that is not finite, for this input alone.",
        "Look at the photo; if it is sound, report it with the model's name.",
    )
    DECODER_CRASHED = (
        "decoder_crashed",
        "Reading this input ended the whole process that holds the model; it was found by being tried alone.",
        "Suspect a file made to do harm. If its source is trusted, save it anew as JPEG, put that in its place, and "
        "ingest.",
    )

    @property
    def retryable(self) -> bool:
        """Whether the same input may succeed the next time: what failed lies outside of it."""
        return self is ErrorCode.UNREADABLE


STATUSES = tuple(str(value) for value in Status)
ERROR_CODES = tuple(str(value) for value in ErrorCode)


def explain(code: str) -> tuple[str, str]:
    """What a code of a table means and how to mend it; a code of a newer version is named as such."""
    if code not in ERROR_CODES:
        return f"Code {code} is not known to this version of claimlens.", "See error_detail."
    known = ErrorCode(code)
    return known.meaning, known.remedy
