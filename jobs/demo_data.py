"""Render the demo's claims and photos; nothing else of the jobs knows the demo."""

from importlib.util import find_spec

from jobs.job.context import JobContext
from jobs.job.report import Counts, Report
from jobs.job.spec import Job
from jobs.lakehouse.places import local_file
from udfs.errors import EnvironmentMissingError, InputError


def run(context: JobContext) -> Report:
    """Render demo.claims claims with photos into demo.root; the same seed gives the same bytes.

    Raises:
        InputError: demo.root is not set.
        EnvironmentMissingError: this is the archive of the executors, which comes without the demo.
    """
    demo = context.settings.demo
    if demo.root is None:
        raise InputError("demo.root is not set: give --config demo, or --set demo.root=<directory>.")
    if context.dry_run:
        return Report("demo-data", context.run_id, "dry_run", Counts(demo.claims, 0, demo.claims))
    if find_spec("demo") is None:
        raise EnvironmentMissingError("The demo is not part of this archive; run it where claimlens is installed.")
    from demo.claims.files import write_demo

    write_demo(local_file(demo.root, "demo.root"), claims=demo.claims, seed=demo.seed)
    return Report("demo-data", context.run_id, "done", Counts(demo.claims, demo.claims), details={"look_at": demo.root})


def is_wanted(context: JobContext) -> bool:
    """Whether the settings ask for a demo that has not been rendered yet."""
    root = context.settings.demo.root
    return root is not None and not (local_file(root, "demo.root") / "claims.json").is_file()


JOB = Job("demo-data", "Render the demo's claims and photos only.", run, place="demo")
