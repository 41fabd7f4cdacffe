"""Read the settings of a place: defaults < conf/base.yaml < conf/<place>.yaml < environment < --set a.b=c."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from jobs.settings.keys import checked
from jobs.settings.layers import ENVIRONMENT_PREFIX, environment_layer, override_layer, place_layer, shipped_layer
from jobs.settings.sections import Settings
from udfs.errors import SettingsError


def load_settings(config: str | None = None, overrides: Sequence[str] = ()) -> Settings:
    """Read the settings of a place.

    Args:
        config: a place (demo, local, databricks) or the path of a YAML file; None takes CLAIMLENS_PLACE, else local.
        overrides: `a.b=c` pairs, as given to --set. Where a setting is a text it is taken as it is written, else
            read as YAML.

    Raises:
        SettingsError: names the key, where it was set, and the nearest valid key.
    """
    place = config or os.environ.get(f"{ENVIRONMENT_PREFIX}PLACE") or "local"
    files = [shipped_layer("base"), place_layer(place), ("the place", {"place": Path(place).stem})]
    texts = [("environment", environment_layer()), ("--set", override_layer(overrides))]
    layers = [(name, checked(Settings, values, name, texts=False)) for name, values in files]
    layers += [(name, checked(Settings, values, name, texts=True)) for name, values in texts]
    merged: dict[str, Any] = {}
    for _, values in layers:
        merged = _merged(merged, values)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        first = error.errors()[0]
        path = tuple(str(part) for part in first["loc"])
        raise SettingsError(
            f"{'.'.join(path)} in {_origin(path, layers)}: {first['msg']}. Correct the value there."
        ) from None


def public_settings(settings: Settings) -> dict[str, Any]:
    """The settings as plain values; tracking masks what looks secret in the free-form ones before it logs them."""
    return settings.model_dump(mode="json")


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Mappings key by key; any other value of `above` takes the place of what is below."""
    both = dict(below)
    for key, value in above.items():
        under = both.get(key)
        both[key] = _merged(under, value) if isinstance(under, Mapping) and isinstance(value, Mapping) else value
    return both


def _origin(path: Sequence[str], layers: Sequence[tuple[str, Mapping[str, Any]]]) -> str:
    for name, values in reversed(layers):
        found: object = values
        for part in path:
            if isinstance(found, list) and part.isdigit() and int(part) < len(found):
                found = found[int(part)]
                continue
            if not isinstance(found, Mapping) or part not in found:
                break
            found = found[part]
        else:
            return str(name)
    return "the settings"
