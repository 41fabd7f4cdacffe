"""What there is to say of the records that were read: how many, which failed and why, which columns are not there."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from jobs.job.context import JobContext
from jobs.steps.ingest.records import Source, absent
from udfs.errors import InputError
from udfs.records.columns import Wanted
from udfs.records.problem import Code

if TYPE_CHECKING:
    from pyspark.sql import DataFrame, Row

EXAMPLES = 20
SAID = 3
"""Lines that a run says of them while it works."""


@dataclass(frozen=True)
class Findings:
    """Of records that were read and staged."""

    records: int
    """All of them, failed ones too."""
    by_code: Mapping[str, int]
    """Failed records by code."""
    examples: list[dict[str, Any]]
    """The first of the records that failed or are doubtful: source, number, line, code, detail."""
    problems: list[dict[str, Any]]
    """Of files: source, line, code, detail."""
    missing: list[str]
    """Columns of ours, mapped, that no record has."""
    files_without: Mapping[str, list[str]]
    """Column of ours -> the first files of which no record has it, where others have it."""

    @property
    def failed(self) -> int:
        """Records that failed."""
        return sum(self.by_code.values())

    def report(self, wanted: Wanted) -> dict[str, Any]:
        """What a job's report says of it; nothing of the records' contents, which may be personal data."""
        theirs = wanted.columns
        said: dict[str, Any] = {}
        failed = [example for example in self.examples if example["code"]]
        doubtful = [example for example in self.examples if not example["code"]]
        said |= {"by_code": dict(self.by_code), "failed_records": failed} if self.by_code else {}
        said |= {"doubtful_records": doubtful} if doubtful else {}
        said |= {"problems": self.problems[:EXAMPLES], "problem_count": len(self.problems)} if self.problems else {}
        said |= {"missing_columns": [theirs[name] for name in self.missing]} if self.missing else {}
        without = {theirs[name]: files for name, files in self.files_without.items()}
        return said | ({"files_without_column": without} if without else {})

    def complete(self) -> bool:
        """Whether every record of every file was read, and none failed."""
        return not self.problems and not self.by_code


def find(context: JobContext, staged: "DataFrame", source: Source, wanted: Wanted) -> Findings:
    """Look through staged rows of `records`, and say the first things that are wrong.

    Raises:
        InputError: nothing is there, or nothing of it could be read; the first reason.
    """
    from pyspark.sql import functions as F

    record, failed = F.col("number").isNotNull(), F.col("code").isNotNull()
    doubtful = record & (failed | F.col("detail").isNotNull())
    groups = staged.groupBy(record.alias("record"), "code", doubtful.alias("doubtful")).count().collect()
    total = sum(row["count"] for row in groups if row["record"])
    by_code = {row["code"]: row["count"] for row in groups if row["record"] and row["code"]}
    examples = []
    if any(row["doubtful"] for row in groups):
        ordered = staged.where(doubtful).orderBy(F.col("code").isNull(), "source", "number")
        shown = ordered.select(*(name for name in _PLACE if name in staged.columns))
        examples = [_place(row) for row in shown.limit(EXAMPLES).collect()]
    files = []
    if source.in_files():
        files = staged.where(~record).select("source", "line", "code", "detail", "absent").orderBy("source").collect()
        if not files:
            raise InputError(f"{source.place} holds no file; correct the setting.")
    problems = [_place(row) for row in files if row["code"]]
    if any(problem["code"] == Code.ABSENT for problem in problems):
        raise absent(source)
    if problems and total == sum(by_code.values()):
        raise _unusable(problems[0], source)
    useless = {row["source"] for row in files if row["code"] and row["code"] != Code.TRUNCATED}
    told = [row for row in files if not row["code"] and row["source"] not in useless]
    lacking = {row["source"]: (row["absent"] or "").split() for row in told}
    missing, without = _columns(lacking, wanted)
    found = Findings(total, by_code, examples, problems, missing, without)
    _say(context, found, source)
    return found


def count(rows: "DataFrame", source: Source) -> int:
    """How many records there are, from rows of `records` that are not staged.

    Raises:
        InputError: as `find` does.
    """
    from pyspark.sql import functions as F

    record = F.col("number").isNotNull()
    first = F.min(F.struct("source", "line", "detail")).alias("first")
    groups = rows.groupBy(record.alias("record"), "code").agg(F.count(F.lit(1)).alias("rows"), first).collect()
    problems = [row["first"].asDict() | {"code": row["code"]} for row in groups if not row["record"] and row["code"]]
    if any(problem["code"] == Code.ABSENT for problem in problems):
        raise absent(source)
    if problems and not any(row["record"] and not row["code"] for row in groups):
        raise _unusable(problems[0], source)
    return sum(row["rows"] for row in groups if row["record"])


_PLACE = ("source", "number", "line", "code", "detail", "record_hash")


def _place(row: "Row") -> dict[str, Any]:
    said = {name: value for name, value in row.asDict().items() if name != "absent" and value is not None}
    return {"code": None, **said, "source": said["source"].removeprefix("file:")}


def sentence(place: Mapping[str, Any]) -> str:
    """A problem or a failed record in words: what, in which file, at which line."""
    if place["code"] == Code.COLUMN_TWICE:
        return f"{place['detail']} of {place['source']}"
    number = f" record {place['number']}," if place.get("number") else ""
    line = f" line {place['line']}" if place.get("line") else ""
    return f"{place['source']},{number}{line}".rstrip(",") + f": {place['detail']}"


def _unusable(problem: Mapping[str, Any], source: Source) -> InputError:
    what = source.columns if problem["code"] == Code.NO_COLUMN else "the file or the setting"
    return InputError(f"{source.place}: {sentence(problem)}. Correct {what}.")


def _columns(lacking: Mapping[str, list[str]], wanted: Wanted) -> tuple[list[str], dict[str, list[str]]]:
    missing = [name for name in wanted.columns if lacking and all(name in absent for absent in lacking.values())]
    without: dict[str, list[str]] = {}
    for name in wanted.columns:
        files = [file.removeprefix("file:") for file, absent in sorted(lacking.items()) if name in absent]
        if files and name not in missing:
            without[name] = files[:EXAMPLES]
    return missing, without


def _say(context: JobContext, found: Findings, source: Source) -> None:
    places = [*found.problems, *found.examples]
    for place in places[:SAID]:
        context.progress.say(f"{source.settings}: {sentence(place)}")
    failed = found.failed + len(found.problems)
    if failed > SAID:
        context.progress.say(f"{source.settings}: {failed} records and files have such problems; the report names them")
    for name, files in list(found.files_without.items())[:SAID]:
        context.progress.say(f"{source.settings}: no column {name} in {', '.join(files[:SAID])}")
