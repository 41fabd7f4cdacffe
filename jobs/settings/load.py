"""Read the settings of a place: defaults < conf/base.yaml < conf/<place>.yaml < environment < --set a.b=c."""

import difflib
import os
from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from jobs.settings.layers import (
    ENVIRONMENT_PREFIX,
    environment_layer,
    override_layer,
    place_layer,
    shipped_layer,
)
from jobs.settings.sections import Settings
from udfs.errors import SettingsError


def load_settings(config: str | None = None, overrides: Sequence[str] = ()) -> Settings:
    """Read the settings of a place.

    Args:
        config: a place (demo, local, databricks) or the path of a YAML file; None takes CLAIMLENS_PLACE, else local.
        overrides: `a.b=c` pairs, as given to --set; values are read as YAML.

    Raises:
        SettingsError: names the key, where it was set, and the nearest valid key.
    """
    place = config or os.environ.get(f"{ENVIRONMENT_PREFIX}PLACE") or "local"
    layers = [shipped_layer("base"), place_layer(place)]
    chosen = override_layer(overrides)
    environment = environment_layer()
    for name, values in [*layers, ("environment", environment), ("--set", chosen)]:
        _refuse_unknown(Settings, values, (), name)

    class Layered(Settings):
        pass

    Layered.layers = layers
    named = {"place": Path(place).stem}
    try:
        return Layered(**{**named, **chosen})
    except ValidationError as error:
        first = error.errors()[0]
        path = tuple(str(part) for part in first["loc"])
        origin = _origin(path, [*layers, ("environment", environment), ("--set", chosen)])
        raise SettingsError(f"{'.'.join(path)} in {origin}: {first['msg']}. Correct the value there.") from None


def public_settings(settings: Settings) -> dict[str, Any]:
    """The settings as plain values; tracking masks what looks secret in the free-form ones before it logs them."""
    return settings.model_dump(mode="json")


def shipped_names(folder: str) -> list[str]:
    """Names (without .yaml) of what ships in conf/<folder>, for messages and listings."""
    entries = resources.files("conf").joinpath(folder).iterdir()
    return sorted(entry.name.removesuffix(".yaml") for entry in entries if entry.name.endswith(".yaml"))


def _refuse_unknown(model: type[BaseModel], values: Mapping[str, Any], path: tuple[str, ...], origin: str) -> None:
    for key, value in values.items():
        field = model.model_fields.get(str(key))
        if field is None:
            wanted = ".".join((*path, str(key)))
            beside = difflib.get_close_matches(str(key), model.model_fields, n=1, cutoff=0.4)
            near = [".".join((*path, name)) for name in beside]
            near = near or difflib.get_close_matches(wanted, _all_keys(Settings, ()), n=1, cutoff=0.3)
            hint = f"the nearest valid key is {near[0]}" if near else f"valid: {', '.join(model.model_fields)}"
            raise SettingsError(f"{wanted} in {origin} is not a setting; {hint}.")
        section = field.annotation
        if isinstance(section, type) and issubclass(section, BaseModel) and isinstance(value, Mapping):
            _refuse_unknown(section, value, (*path, str(key)), origin)


def _all_keys(model: type[BaseModel], path: tuple[str, ...]) -> list[str]:
    keys: list[str] = []
    for name, field in model.model_fields.items():
        keys.append(".".join((*path, name)))
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            keys.extend(_all_keys(field.annotation, (*path, name)))
    return keys


def _origin(path: Sequence[str], layers: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    for name, values in reversed(layers):
        found: object = values
        for part in path:
            if not isinstance(found, Mapping) or part not in found:
                break
            found = found[part]
        else:
            return str(name)
    return "the settings"
