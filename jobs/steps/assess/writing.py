"""Assessments into their table: of the claims that something has changed for, or of all."""

from typing import TYPE_CHECKING, Any

from jobs.job.context import JobContext
from jobs.job.head import CurrentHead, of_head
from jobs.lakehouse.contracts import CLAIM_ASSESSMENTS
from jobs.lakehouse.errors import in_words
from jobs.lakehouse.snapshot import Snapshot
from jobs.lakehouse.writes import Wave, delete_keys, stage, upsert
from jobs.steps.assess.evidence import assessments_frame, changed_claims
from jobs.steps.assess.figures import figures_of
from jobs.steps.assess.state import State, begin, changes_since, check, finish

if TYPE_CHECKING:
    from pyspark.sql import DataFrame

FEW_CLAIMS = 10_000
"""Up to so many claims, with the ids of their photos some ten megabytes, are sent to every task."""
COMPARED = (
    "photos",
    "photos_classified",
    "worst_severity",
    "damages",
    "reported_severity",
    "expected_severity",
    "agreement",
    "review",
    "review_reasons",
)
"""A row is rewritten when one of these has changed."""


def stage_changed(context: JobContext, snapshot: Snapshot, head: CurrentHead, state: State | None) -> Wave | str | None:
    """The claims to look at, staged, as the change feeds name them; None where nothing at all has happened; the reason
    where the feeds do not tell."""
    try:
        changes = changes_since(context, snapshot, head, state)
        if isinstance(changes, str):
            return changes
        return stage(context.lakehouse, changed_claims(snapshot, head, changes), context.run_id) if changes else None
    except Exception as error:  # its type differs between the classic API and Spark Connect
        # Whatever keeps a feed from being read (VACUUM, a log that was cleaned), looking at all claims is right.
        return f"the change feeds since the last assessment cannot be read: {in_words(error)}"


def write_assessments(
    context: JobContext, snapshot: Snapshot, head: CurrentHead, claims: Wave | None
) -> dict[str, Any]:
    """Assess these staged claims (claim_id), or all, and take note of what was read; the details of the report.

    Raises:
        ClaimlensError: a second run of the same classifier began meanwhile; nothing was written.
    """
    lakehouse = context.lakehouse
    changed, few = (None, False) if claims is None else (claims.frame, claims.rows <= FEW_CLAIMS)
    begin(context, head)
    judged = assessments_frame(context, snapshot, head, changed, few=few)
    with stage(lakehouse, judged, context.run_id) as wave:
        check(context, head)
        inserted, updated = upsert(lakehouse, wave.frame, CLAIM_ASSESSMENTS.name, compare=COMPARED)
        looked_at = wave.rows
    removed = _remove_stale(context, snapshot, changed)
    figures = figures_of(of_head(lakehouse.read(CLAIM_ASSESSMENTS.name), head))
    finish(context, head, snapshot, figures)
    return {"looked_at": looked_at, "inserted": inserted, "updated": updated, "removed": removed, **figures}


def carry_forward(context: JobContext, snapshot: Snapshot, head: CurrentHead, state: State) -> dict[str, Any]:
    """Take note that no claim was concerned by what has changed."""
    begin(context, head)
    finish(context, head, snapshot, state.figures)
    return {"looked_at": 0, **state.figures}


def _remove_stale(context: JobContext, snapshot: Snapshot, changed: "DataFrame | None") -> int:
    """Delete assessments, of any classifier, of claims that are gone: at the pinned version, and still now."""
    lakehouse = context.lakehouse
    rows = lakehouse.read(CLAIM_ASSESSMENTS.name).select("claim_id")
    if changed is not None:
        rows = rows.join(changed, "claim_id", "left_semi")
    for claims in (snapshot.read("claims"), lakehouse.read("claims")):
        rows = rows.join(claims.select("claim_id"), "claim_id", "left_anti")
    if rows.isEmpty():
        return 0
    with stage(lakehouse, rows.distinct(), context.run_id) as keys:
        return delete_keys(lakehouse, keys.frame, CLAIM_ASSESSMENTS.name)
