"""Assess claims: what the photos of each claim show, against what was reported, and who should look at it."""

from typing import TYPE_CHECKING, Any

from jobs.job.report import Counts, Report
from jobs.job.spec import Job

if TYPE_CHECKING:
    from jobs.job.context import JobContext


def run(context: "JobContext") -> Report:
    """Bring the assessment of every claim up to date, for the current model_key and head_key.

    Looks at the claims that something has changed for since the last assessment; details['looked_at'] says at how
    many, and details['all_claims_because'] why it were all, where it cannot be told. Claims without photos are assessed
    too. A claim of which nothing has changed is not written again; the assessment of a claim that is gone is removed.

    Raises:
        TaxonomyError: the taxonomy is malformed.
        SettingsError: assess.severity_map names an unknown severity.
        ModelError: the model cannot be described.
        ClaimlensError: a second run of the same classifier began meanwhile.
    """
    from jobs.lakehouse.contracts import ASSESSMENT_STATE, CLAIM_ASSESSMENTS
    from jobs.steps.assess.evidence import SOURCES
    from jobs.steps.assess.state import read_state
    from jobs.steps.assess.writing import carry_forward, stage_changed, write_assessments
    from udfs.assessment import normalised_severity_map

    normalised_severity_map(context.settings.assess.severity_map)
    head = context.head
    details: dict[str, Any] = head.details
    if head.reason_to_skip:
        details["reason"] = head.reason_to_skip
        return Report("assess", context.run_id, "skipped", Counts(), details=details)
    if context.dry_run:
        total = context.pin("claims").read("claims").count()
        return Report("assess", context.run_id, "dry_run", Counts(rows_in=total), details=details)
    context.lakehouse.ensure(CLAIM_ASSESSMENTS.name, ASSESSMENT_STATE.name)
    snapshot = context.pin(*SOURCES)
    state = read_state(context, head)
    changed = stage_changed(context, snapshot, head, state)
    if changed is None and state is not None:
        details |= {"looked_at": 0, **state.figures}
    elif changed is None or isinstance(changed, str):
        details |= {"all_claims_because": changed, **write_assessments(context, snapshot, head, None)}
    else:
        with changed:
            if changed.rows or state is None:
                details |= write_assessments(context, snapshot, head, changed)
            else:
                details |= carry_forward(context, snapshot, head, state)
    written = details.get("inserted", 0) + details.get("updated", 0)
    # Claims may have gone while this run was at work.
    claims = max(details["claims"], written)
    return Report(
        "assess",
        context.run_id,
        "done" if written or details.get("removed") else "nothing_to_do",
        Counts(rows_in=claims, written=written, skipped=claims - written),
        versions_in=snapshot.versions,
        versions_out=context.lakehouse.versions(CLAIM_ASSESSMENTS.name),
        details=details,
    )


JOB = Job("assess", "Compare what photos show with what was reported.", run)
