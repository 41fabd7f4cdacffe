"""What this machine has: Python, Java, Spark, Delta, torch, a GPU, memory limits, a folder that bears an index."""

import os
import resource
import sys
import tempfile
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from jobs.console.check import Check
from jobs.lakehouse.places import local_path
from jobs.settings.sections import Settings


def python() -> Check:
    """The interpreter."""
    return Check("python", "ok", f"{sys.version.split()[0]} at {sys.executable}")


def package(name: str, distribution: str, extra: str) -> Check:
    """An installed package and its version."""
    try:
        return Check(name, "ok", f"{distribution} {version(distribution)}")
    except PackageNotFoundError:
        wanted = f"claimlens[{extra}]" if extra else "claimlens"
        return Check(name, "missing", f"{distribution} is not installed", f"pip install '{wanted}', or run make setup.")


def java(settings: Settings) -> Check:
    """The Java that Spark will start."""
    from jobs.spark.session import java_version

    if is_remote(settings):
        return Check("java", "ok", "not needed here: Spark runs elsewhere")
    return Check("java", "ok", f"version {java_version()}")


def delta(settings: Settings) -> Check:
    """Delta's jars."""
    from jobs.spark.delta_jars import delta_jars

    if is_remote(settings):
        return Check("delta", "ok", "the jars are the cluster's own")
    jars = delta_jars(settings.spark, fetch=False)
    if not jars:
        found = f"{settings.spark.delta_package} is not in {settings.spark.jar_cache}"
        return Check("delta", "missing", found, "python -m jobs.spark.delta_jars fetches it once.")
    return Check("delta", "ok", f"{settings.spark.delta_package}, {len(jars)} jars cached")


def is_remote(settings: Settings) -> bool:
    """Whether Spark runs elsewhere: on Databricks, or behind Spark Connect."""
    remote = settings.spark.remote
    return "DATABRICKS_RUNTIME_VERSION" in os.environ or (remote is not None and not remote.startswith("local"))


def photo_formats() -> Check:
    """What reads HEIF and AVIF: packages for some machines come without."""
    from PIL import features

    from udfs.images.decode import HEIF_READER, heif_reader

    if not heif_reader():
        mend = f"pip install {HEIF_READER}, where executors run too; then ingest: such photos are tried again."
        return Check("photo formats", "missing", f"{HEIF_READER}, which reads HEIF (iPhones), is not installed", mend)
    if not features.check("avif"):
        mend = "Install Pillow from its wheels, which have it."
        return Check("photo formats", "advice", f"HEIF by {HEIF_READER}; this Pillow reads no AVIF", mend)
    return Check("photo formats", "ok", f"HEIF by {HEIF_READER}, AVIF by Pillow")


def gpu() -> Check:
    """The GPUs that torch can use."""
    import torch

    if torch.cuda.is_available():
        names = [torch.cuda.get_device_name(number) for number in range(torch.cuda.device_count())]
        return Check("gpu", "ok", ", ".join(names))
    if torch.backends.mps.is_available():
        return Check("gpu", "ok", "Apple GPU (mps)")
    return Check("gpu", "absent", "none that torch can use; models run on the CPU")


def gpu_amount(configured: Callable[[str], str | None]) -> Check:
    """Whether all cores of an executor get tasks, and all its GPUs are used: an amount a task of GPUs / cores.

    Args:
        configured: gives the value of a Spark setting, None where it is not set.
    """
    name = "gpu amount"
    gpus = configured("spark.executor.resource.gpu.amount")
    if gpus is None:
        return Check(name, "ok", "Spark hands out no GPUs here")
    cores = int(configured("spark.executor.cores") or 0) // int(configured("spark.task.cpus") or 1)
    amount = configured("spark.task.resource.gpu.amount")
    if not cores:
        return Check(name, "advice", "spark.executor.cores is not set", "Set it, and the amount to GPUs / cores.")
    wanted = int(gpus) / cores
    if amount is not None and abs(float(amount) - wanted) < 0.01 * wanted:
        return Check(name, "ok", f"{amount} a task: {gpus} GPUs for {cores} tasks at once")
    return Check(
        name,
        "advice",
        f"spark.task.resource.gpu.amount is {amount}, with {gpus} GPUs for {cores} tasks at once in an executor",
        f"Set it to {wanted:g} (GPUs / cores): less leaves GPUs unused, more leaves cores without tasks.",
    )


def memory_limits(configured: Callable[[str], str | None]) -> Check:
    """Limits that the process that holds a model would inherit."""
    name, limit = "memory limits", configured("spark.executor.pyspark.memory")
    if limit is not None:
        mend = "Unset it: the process that holds the model inherits it, and CUDA alone wants more address space."
        return Check(name, "advice", f"spark.executor.pyspark.memory is {limit}", mend)
    space = resource.getrlimit(resource.RLIMIT_AS)[0]
    if space != resource.RLIM_INFINITY:
        mend = "ulimit -v unlimited, in the shell or service that starts claimlens."
        return Check(name, "advice", f"this process may have {space / 2**30:.1f} GiB of address space", mend)
    return Check(name, "ok", "none on address space")


def index_folder(settings: Settings) -> Check:
    """Whether the folder of the indexes bears what a commit there needs: a rename and a hard link."""
    name, root = "index folder", settings.index.root
    folder = local_path(root)
    if folder is None:
        return Check(name, "ok", f"{root} is an object store")
    while not folder.is_dir():
        folder = folder.parent
    mend = "Set index.root to a local disk or an object store; a volume of Databricks is neither."
    try:
        with tempfile.TemporaryDirectory(prefix=".claimlens-doctor-", dir=folder) as trial:
            written = Path(trial) / "written"
            written.touch()
            os.link(written, Path(trial) / "linked")
            written.rename(Path(trial) / "renamed")
    except PermissionError as error:
        return Check(name, "wrong", f"{folder}: {error.strerror}: cannot write, link or rename there", mend)
    except OSError as error:
        return Check(name, "wrong", f"{folder}: {error.strerror}: no link or rename there", mend)
    return Check(name, "ok", f"{root}, in {folder}: rename and link work")
