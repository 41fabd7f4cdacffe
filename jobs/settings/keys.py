"""Which settings there are: sections by name, the nearest key to a wrong one, and a text read as its key's type."""

import difflib
from collections.abc import Iterator, Mapping
from types import NoneType, UnionType
from typing import Any, Literal, Union, get_args, get_origin

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from udfs.errors import SettingsError

Path = tuple[str, ...]


def section_of(annotation: object) -> type[BaseModel] | None:
    """The section that a key holds, also where it may be null; None for a plain value."""
    for kind in _alternatives(annotation):
        if isinstance(kind, type) and issubclass(kind, BaseModel):
            return kind
    return None


def plain_keys(model: type[BaseModel], path: Path = ()) -> Iterator[tuple[Path, FieldInfo]]:
    """Every key that holds a value; a section that may be null is one key, since its own keys are another's too."""
    for name, field in model.model_fields.items():
        annotation: object = field.annotation
        section = section_of(annotation)
        if section is not None and section is annotation:
            yield from plain_keys(section, (*path, name))
        else:
            yield (*path, name), field


def checked(model: type[BaseModel], values: Mapping[str, Any], origin: str, *, texts: bool) -> dict[str, Any]:
    """The values of one layer, every key known.

    Args:
        model: the settings.
        values: nested values by key.
        origin: where they come from, for the message.
        texts: the values are still text, as on the command line and in the environment, and are read here.

    Raises:
        SettingsError: a key is no setting; names the nearest one.
    """
    return _checked(model, model, values, (), origin, texts=texts)


def _checked(
    root: type[BaseModel], model: type[BaseModel], values: Mapping[str, Any], path: Path, origin: str, *, texts: bool
) -> dict[str, Any]:
    known: dict[str, Any] = {}
    for key, value in values.items():
        here = (*path, str(key))
        field = model.model_fields.get(str(key))
        if field is None:
            raise SettingsError(f"{'.'.join(here)} in {origin} is not a setting; {_hint(root, model, here)}.")
        section = section_of(field.annotation)
        if section is not None and isinstance(value, Mapping):
            known[str(key)] = _checked(root, section, value, here, origin, texts=texts)
        else:
            known[str(key)] = _read(value, field.annotation) if texts else value
    return known


def _hint(root: type[BaseModel], model: type[BaseModel], path: Path) -> str:
    beside = difflib.get_close_matches(path[-1], model.model_fields, n=1, cutoff=0.4)
    near = [".".join((*path[:-1], name)) for name in beside]
    near = near or difflib.get_close_matches(".".join(path), _all_keys(root, ()), n=1, cutoff=0.3)
    return f"the nearest valid key is {near[0]}" if near else f"valid: {', '.join(model.model_fields)}"


def _all_keys(model: type[BaseModel], path: Path) -> list[str]:
    keys: list[str] = []
    for name, field in model.model_fields.items():
        keys.append(".".join((*path, name)))
        section = section_of(field.annotation)
        if section is not None:
            keys.extend(_all_keys(section, (*path, name)))
    return keys


def _read(value: object, annotation: object) -> object:
    """A text as the key's type wants it: as it is written where a text is wanted, else read as YAML."""
    kinds = _alternatives(annotation)
    if isinstance(value, Mapping):  # an entry of a free mapping, such as spark.config
        inner = next((get_args(kind)[1] for kind in kinds if get_origin(kind) is dict), object)
        return {".".join(key): _read(entry, inner) for key, entry in _leaves(value, ())}
    text = str(value)
    if NoneType in kinds and text.strip() in {"", "null", "~"}:
        return None
    if str in kinds or any(get_origin(kind) is Literal for kind in kinds):
        quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
        return text[1:-1] if quoted else text
    try:
        return yaml.safe_load(text) if text else None
    except yaml.YAMLError:
        return text


def _leaves(values: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, Any]]:
    for key, value in values.items():
        if isinstance(value, Mapping):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key), value


def _alternatives(annotation: object) -> tuple[object, ...]:
    return get_args(annotation) if get_origin(annotation) in {Union, UnionType} else (annotation,)
