"""Prove that the index holds what the tables say: by contents, both sides read in full."""

from typing import TYPE_CHECKING

from jobs.job.spec import Job

if TYPE_CHECKING:
    from jobs.job.context import JobContext
    from jobs.job.report import Report


def run(context: "JobContext") -> "Report":
    """Compare every row of the index, its vector included, with the tables as they were when it was last in step.

    Changes nothing, but that the next sync builds an index anew that was found wrong.

    Raises:
        InputError: the index was never brought in step.
        IndexMismatchError: it does not hold what the tables say.
        IndexDamagedError: files of it are missing or cannot be read.
        ModelError: the model's key cannot be determined.
    """
    from jobs.steps.verify.verify import verify

    return verify(context, context.model.model_key, context.model.dimension)


JOB = Job("verify", "Prove by contents that the index holds what the tables say.", run)
