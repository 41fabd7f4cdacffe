"""What became of one photo, claim or passage: a status, and a code from a closed list."""

from enum import StrEnum


class Status(StrEnum):
    """Every row that went in comes out with one of these."""

    OK = "ok"
    FAILED = "failed"


class DependsOn(StrEnum):
    """What a failure depends on, and so when the same input is worth another try."""

    FILE = "file"
    """The file's own bytes: tried again when it has others, or when somebody asks (--retry-failed)."""
    TIME = "time"
    """What was the matter around it: tried again by the next run, after a pause that grows."""
    MODEL = "model"
    """The model, or the device it ran on: as TIME, and another model tries for itself."""
    LIMIT = "limit"
    """A setting: tried again once that is raised."""
    READER = "reader"
    """What is installed: tried again once there is a reader for the format."""


class ErrorCode(StrEnum):
    """Why a row failed: the code, what it means, what to do about it, and what it depends on. Tables carry a CHECK
    constraint with exactly these values."""

    meaning: str
    remedy: str
    depends_on: DependsOn
    setting: str | None

    def __new__(
        cls,
        code: str,
        meaning: str = "",
        remedy: str = "",
        depends_on: DependsOn = DependsOn.FILE,
        setting: str | None = None,
    ) -> "ErrorCode":
        """A code with its words; `setting` is the limit that it depends on."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning, member.remedy = meaning, remedy
        member.depends_on, member.setting = depends_on, setting
        return member

    EMPTY = (
        "empty",
        "The file holds no bytes at all.",
        "The upload was interrupted: ask for the photo again, put it in the file's place, and ingest.",
    )
    NOT_AN_IMAGE = (
        "not_an_image",
        "The contents are not a picture of any known format, whatever the file's name says.",
        "Often a document or a web page beside the photos: leave such files out with ingest.glob, for example "
        "ingest.glob=*.{jpg,jpeg,png}.",
    )
    UNSUPPORTED_FORMAT = (
        "unsupported_format",
        "A picture, but of a format or variant that cannot be decoded here (SVG, raw, JPEG of 12 bits, HEIF without "
        "its reader).",
        "Convert it to JPEG or PNG, put that in its place, and ingest. Where its reader was missing, install that, and "
        "ingest.",
        DependsOn.READER,
    )
    TRUNCATED = (
        "truncated",
        "The file ends before the picture does.",
        "The upload was cut off: ask for the photo again, put it in the file's place, and ingest.",
    )
    CORRUPT = (
        "corrupt",
        "The format is known, but the contents do not decode.",
        "The file was damaged in storage or transfer: fetch it again from its source, and ingest (with --retry-failed "
        "corrupt where it keeps its time and size).",
    )
    TOO_MANY_BYTES = (
        "too_many_bytes",
        "The file is larger than ingest.maximum_bytes allows.",
        "Put a smaller version in its place, or raise ingest.maximum_bytes, and ingest.",
        DependsOn.LIMIT,
        "ingest.maximum_bytes",
    )
    TOO_MANY_PIXELS = (
        "too_many_pixels",
        "Decoding the picture would take more pixels than ingest.maximum_pixels allows.",
        "Suspect a decompression bomb. Where such pictures are expected, raise ingest.maximum_pixels, and ingest.",
        DependsOn.LIMIT,
        "ingest.maximum_pixels",
    )
    TOO_MUCH_MEMORY = (
        "too_much_memory",
        "Decoding the picture takes more memory than ingest.maximum_memory allows.",
        "Suspect a decompression bomb. Where such pictures are expected, raise ingest.maximum_memory, and ingest.",
        DependsOn.LIMIT,
        "ingest.maximum_memory",
    )
    DECODER_TIMEOUT = (
        "decoder_timeout",
        "Decoding the picture takes longer than ingest.maximum_seconds allows.",
        "Suspect a file made to do harm. Where such pictures are expected, or the machine is slow, raise "
        "ingest.maximum_seconds, and ingest.",
        DependsOn.LIMIT,
        "ingest.maximum_seconds",
    )
    UNREADABLE = (
        "unreadable",
        "The file was listed, but its bytes could not be read.",
        "See that it is there and that the job may read it, and ingest: it is tried again by itself.",
        DependsOn.TIME,
    )
    OUT_OF_MEMORY = (
        "out_of_memory",
        "The photo did not fit into the device's memory, even alone.",
        "Free the device's memory or use a larger device, and embed: it is tried again by itself.",
        DependsOn.MODEL,
    )
    MODEL_FAILED = (
        "model_failed",
        "The model raised an error, or gave a vector that is not finite, for this input alone.",
        "Embed: it is tried again by itself. If it goes on, look at the photo; if that is sound, report it with the "
        "model's name.",
        DependsOn.MODEL,
    )
    DECODER_CRASHED = (
        "decoder_crashed",
        "Reading this input ended the whole process that was at it; it was found by being tried alone.",
        "Suspect a file made to do harm. If its source is trusted, save it anew as JPEG, put that in its place, and "
        "ingest.",
    )

    @property
    def retryable(self) -> bool:
        """Whether the next run tries the same input again by itself: what failed may pass."""
        return self.depends_on in {DependsOn.TIME, DependsOn.MODEL}


STATUSES = tuple(str(value) for value in Status)
ERROR_CODES = tuple(str(value) for value in ErrorCode)


def explain(code: str) -> tuple[str, str]:
    """What a code of a table means and how to mend it; a code of a newer version is named as such."""
    if code not in ERROR_CODES:
        return f"Code {code} is not known to this version of claimlens.", "See error_detail."
    known = ErrorCode(code)
    return known.meaning, known.remedy
