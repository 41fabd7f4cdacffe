"""What can be wrong with a record file or with one of its records: a code and a sentence."""

from enum import StrEnum


class Code(StrEnum):
    """Why a record, or the rest of a file, could not be read."""

    ABSENT = "absent"
    UNREADABLE = "unreadable"
    EMPTY = "empty"
    WRONG_FORMAT = "wrong_format"
    TRUNCATED = "truncated"
    ENCODING = "encoding"
    COLUMN_TWICE = "column_twice"
    NO_COLUMN = "no_column"
    OPEN_QUOTE = "open_quote"
    FIELD_COUNT = "field_count"
    NOT_JSON = "not_json"
    NOT_AN_OBJECT = "not_an_object"
    KEY_TWICE = "key_twice"
    NO_KEY = "no_key"


class RecordFileError(Exception):
    """Something is wrong with a file as a whole: nothing of it is read, or nothing more."""

    def __init__(self, code: Code, detail: str, line: int | None = None) -> None:
        super().__init__(detail)
        self.code, self.detail, self.line = code, detail, line
