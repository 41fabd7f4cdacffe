"""Which formats can be read only where a package is installed, and whether it is."""

from functools import cache
from importlib.util import find_spec

_PACKAGES = {"HEIF": ("pi_heif",)}


@cache
def optional_readers() -> tuple[str, ...]:
    """The formats, as they are sniffed, that a package of this installation reads."""
    return tuple(name for name, packages in _PACKAGES.items() if any(find_spec(package) for package in packages))
