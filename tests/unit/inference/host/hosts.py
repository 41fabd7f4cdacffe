"""A place for hosts that no other test asks, and what a task of another process looks like."""

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from udfs.inference.host.directory import host_directory
from udfs.inference.host.placement import Place


@contextmanager
def hosts_apart() -> Iterator[Path]:
    """A temporary directory whose hosts are these tests' alone; its path is short, as those of sockets have to be."""
    with (
        tempfile.TemporaryDirectory(prefix="claimlens-test-", dir="/tmp") as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(tempfile, "tempdir", folder)
        yield host_directory(Place("cpu"))
