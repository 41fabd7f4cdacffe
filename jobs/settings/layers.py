"""Where settings come from, each source a layer of nested values: shipped YAML, a place, --set, the environment."""

import difflib
import os
from collections.abc import Sequence
from importlib import resources
from pathlib import Path
from typing import Any

import yaml

from udfs.errors import SettingsError

PLACES = ("demo", "local", "databricks")
ENVIRONMENT_PREFIX = "CLAIMLENS_"
_OTHER_VARIABLES = {f"{ENVIRONMENT_PREFIX}PLACE", f"{ENVIRONMENT_PREFIX}SHARED_DATA"}


def shipped_layer(name: str) -> tuple[str, dict[str, Any]]:
    """The name and the values of a file that ships in conf/."""
    text = resources.files("conf").joinpath(f"{name}.yaml").read_text(encoding="utf-8")
    return f"conf/{name}.yaml", _parse(text, f"conf/{name}.yaml")


def place_layer(place: str) -> tuple[str, dict[str, Any]]:
    """The name and the values of a place, or of a YAML file.

    Raises:
        SettingsError: there is no such place or file, or it is not YAML.
    """
    if place in PLACES:
        return shipped_layer(place)
    path = Path(place)
    if path.suffix in {".yaml", ".yml"}:
        if not path.is_file():
            raise SettingsError(f"--config {place}: no such file; give one of {', '.join(PLACES)} or a YAML file.")
        return str(path), _parse(path.read_text(encoding="utf-8"), str(path))
    nearest = difflib.get_close_matches(place, PLACES, n=1)
    hint = f"; did you mean {nearest[0]}?" if nearest else ""
    raise SettingsError(f"--config {place}: not one of {', '.join(PLACES)} and not a .yaml file{hint}")


def _parse(text: str, name: str) -> dict[str, Any]:
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        line = f" line {mark.line + 1}" if mark else ""
        raise SettingsError(f"{name}{line}: not valid YAML. Correct the file.") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise SettingsError(f"{name}: must hold a mapping of settings, not a {type(values).__name__}.")
    return values


def override_layer(overrides: Sequence[str]) -> dict[str, Any]:
    """`a.b=c` pairs as nested values, still text.

    Raises:
        SettingsError: a pair has no `=`, or contradicts one before it.
    """
    layer: dict[str, Any] = {}
    for override in overrides:
        key, separator, text = override.partition("=")
        if not separator or not key.strip():
            raise SettingsError(f"--set {override}: write it as a.b=c, for example --set models.photo.batch_size=16")
        target = layer
        *parents, last = key.strip().split(".")
        for parent in parents:
            target = target.setdefault(parent, {})
            if not isinstance(target, dict):
                raise SettingsError(f"--set {override}: {parent} was set to a value before; set one or the other.")
        target[last] = text
    return layer


def environment_layer() -> dict[str, Any]:
    """CLAIMLENS_<SECTION>__<KEY> variables as nested values, still text."""
    layer: dict[str, Any] = {}
    for name, value in os.environ.items():
        if not name.startswith(ENVIRONMENT_PREFIX) or name in _OTHER_VARIABLES:
            continue
        path = name.removeprefix(ENVIRONMENT_PREFIX).lower().split("__")
        target = layer
        for part in path[:-1]:
            target = target.setdefault(part, {})
        target[path[-1]] = value
    return layer
