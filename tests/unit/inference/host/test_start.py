"""A limit that Spark sets for its Python workers is named before a host dies of it."""

import resource

import pytest

from udfs.errors import EnvironmentMissingError
from udfs.inference.host.placement import Place
from udfs.inference.host.start import refuse_memory_limit

GIB = 1024**3


@pytest.fixture
def limited(monkeypatch):
    """Makes this process one whose address space seems to be limited; a real limit could not be taken back."""

    def limit(size: int, *, by_spark: bool) -> None:
        monkeypatch.setattr(resource, "getrlimit", lambda _: (size, size))
        monkeypatch.delenv("PYSPARK_EXECUTOR_MEMORY_MB", raising=False)
        if by_spark:
            monkeypatch.setenv("PYSPARK_EXECUTOR_MEMORY_MB", str(size // 1024**2))

    return limit


@pytest.mark.parametrize(("device", "size"), [("cpu", 2 * GIB), ("cuda:0", 64 * GIB)])
def test_the_setting_that_limits_a_host_is_named_with_the_way_out(device, size, limited):
    limited(size, by_spark=True)
    with pytest.raises(EnvironmentMissingError, match=r"unset spark\.executor\.pyspark\.memory, and give") as told:
        refuse_memory_limit(Place(device))
    assert f"may use {size / GIB:.1f} GiB" in str(told.value)
    assert "\n" not in str(told.value)


def test_a_limit_of_the_shell_is_named_as_such(limited):
    limited(2 * GIB, by_spark=False)
    with pytest.raises(EnvironmentMissingError, match="ulimit -v unlimited"):
        refuse_memory_limit(Place("cpu"))


def test_a_limit_that_leaves_room_is_none(limited):
    limited(16 * GIB, by_spark=True)
    refuse_memory_limit(Place("cpu"))
    limited(resource.RLIM_INFINITY, by_spark=False)
    refuse_memory_limit(Place("cuda:0"))
