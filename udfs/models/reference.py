"""Which model, and where its files are: shipped with claimlens, in a directory, or on the Hugging Face
hub."""

import hashlib
import json
import os
import re
import shutil
import tempfile
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import resources
from pathlib import Path
from typing import Any

from udfs.errors import ModelError, first_line

_BUNDLED = "bundled:"
_COMMIT = re.compile(r"[0-9a-f]{40}")
_HUB_NAME = re.compile(r"[\w-][\w.-]*/[\w-][\w.-]*")
_HUB_FILES = ["model.safetensors", "model-*.safetensors", "*.json", "*.txt", "*.model"]
_PICKLES = ("*.bin", "*.pt", "*.pth", "*.ckpt")


@dataclass(frozen=True)
class ModelReference:
    """A model by name: small, picklable, equal when it means the same.

    `name` is `bundled:NAME` (conf/models/NAME of this distribution), a local directory, or a hub name
    `organisation/model`, which needs `revision`, the commit to use. `device` is auto, cpu, mps, cuda or
    cuda:N; `dtype` is auto, float32, bfloat16 or float16. `scaled_decoding` lets libjpeg shrink photos while it
    decodes them, which changes vectors a little and is part of the model_key; `compiled` runs the photo network through
    torch.compile, which changes none. The hub's token stays in the environment (HF_TOKEN).

    `kind` says who describes and opens it (kinds.py), and then what `name` means; `options` are what only that kind
    knows, such as an address. They travel to executors and into logs: a secret is given by the name of an environment
    variable. `host` is auto, a process of its own that holds the model, or task, each Spark task's process;
    `deadline_seconds` after which such a process that gives no result is asked how it is, and ended where it is stuck.
    """

    name: str
    revision: str | None = None
    device: str = "auto"
    dtype: str = "auto"
    scaled_decoding: bool = True
    compiled: bool = False
    kind: str = "transformers"
    options: Mapping[str, str] = field(default_factory=dict, hash=False)
    host: str = "auto"
    deadline_seconds: float = 300.0


def model_directory(reference: ModelReference) -> Path:
    """The local directory with the model's files; a hub model is downloaded, a zipped one extracted, once.

    Raises:
        ModelError: there is no such directory or bundled model, or the hub model is unpinned or cannot be
            had.
    """
    name = reference.name
    if name.startswith(_BUNDLED):
        return _bundled_directory(name.removeprefix(_BUNDLED))
    directory = Path(name).expanduser()
    if directory.is_dir():
        return directory
    if directory.exists():
        raise ModelError(f"model {name} is a file; name the directory that holds config.json and model.safetensors.")
    if _HUB_NAME.fullmatch(name) is None:
        raise ModelError(
            f"model directory {name} does not exist; give an existing directory, bundled:NAME, or a hub name "
            f"organisation/model with models.photo.revision."
        )
    if reference.revision is None or _COMMIT.fullmatch(reference.revision) is None:
        given = "has no revision" if reference.revision is None else f"has the revision {reference.revision}"
        raise ModelError(
            f"model {name} is not a local directory, and as a hub model it {given}; set models.photo.revision to "
            f"the 40-digit commit to use."
        )
    return _hub_directory(name, reference.revision)


def weight_files(directory: Path, name: str) -> tuple[Path, ...]:
    """The safetensors files that hold the weights, sorted by name: model.safetensors, or the shards of its
    index.

    Raises:
        ModelError: there are none, a shard is missing, or there are only pickled weights, which are never
            loaded.
    """
    single = directory / "model.safetensors"
    if single.is_file():
        return (single,)
    index = directory / "model.safetensors.index.json"
    if index.is_file():
        shards = sorted(set(read_json(index).get("weight_map", {}).values()))
        for shard in shards:
            if Path(shard).name != shard or not (directory / shard).is_file():
                raise ModelError(f"model {name}: the shard {shard} of its index is missing; copy the model again.")
        if shards:
            return tuple(directory / shard for shard in shards)
    pickles = sorted(path.name for pattern in _PICKLES for path in directory.glob(pattern))
    if pickles:
        raise ModelError(
            f"model {name} has only pickled weights ({pickles[0]}), which can run code when loaded; "
            f"convert them to safetensors."
        )
    raise ModelError(f"model {name} has no weights: {directory} holds no model.safetensors.")


def model_config(directory: Path, name: str) -> dict[str, Any]:
    """The model's config.json.

    Raises:
        ModelError: it is missing or damaged.
    """
    path = directory / "config.json"
    if not path.is_file():
        raise ModelError(f"model {name} has no config.json; copy the model again.")
    return read_json(path)


def read_json(path: Path) -> dict[str, Any]:
    """A JSON object from a file.

    Raises:
        ModelError: the file does not hold one.
    """
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelError(f"{path}: not readable as JSON ({error}); copy the model again.") from error
    if not isinstance(value, dict):
        raise ModelError(f"{path}: holds no JSON object; copy the model again.")
    return value


@cache
def _hub_directory(name: str, revision: str) -> Path:
    from huggingface_hub import snapshot_download
    from huggingface_hub.errors import HfHubHTTPError, LocalEntryNotFoundError

    try:
        return Path(snapshot_download(name, revision=revision, allow_patterns=_HUB_FILES))
    except (HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise ModelError(
            f"model {name} at {revision} cannot be downloaded ({type(error).__name__}: {first_line(error)}); "
            f"check the name, the commit, HF_TOKEN and the network, or give a local directory."
        ) from error


def _bundled_directory(name: str) -> Path:
    folder = resources.files("conf") / "models"
    model = folder / name
    if not re.fullmatch(r"[\w.-]+", name) or name.startswith(".") or not model.is_dir():
        shipped = sorted(entry.name for entry in folder.iterdir() if entry.is_dir()) if folder.is_dir() else []
        raise ModelError(f"no model {name} ships with claimlens; there is {', '.join(shipped) or 'none'}.")
    return model if isinstance(model, Path) else _extracted(name)


@cache
def _extracted(name: str) -> Path:
    """Copy a model out of a zip archive into the cache of this user, named by its content; safe beside
    others."""
    model = resources.files("conf") / "models" / name
    contents = {entry.name: entry.read_bytes() for entry in model.iterdir() if entry.is_file()}
    digest = hashlib.sha256()
    for file, content in sorted(contents.items()):
        digest.update(f"{file}\0{len(content)}\0".encode())
        digest.update(content)
    root = Path(tempfile.gettempdir()) / f"claimlens-models-{os.getuid()}"
    root.mkdir(mode=0o700, exist_ok=True)
    if root.stat().st_uid != os.getuid():
        raise ModelError(f"{root} belongs to another user; remove it, or set TMPDIR to a directory of your own.")
    directory = root / f"{name}-{digest.hexdigest()[:16]}"
    if directory.is_dir():
        return directory
    half = root / f".{uuid.uuid4().hex}"
    half.mkdir()
    try:
        for file, content in contents.items():
            (half / file).write_bytes(content)
        half.rename(directory)
    except OSError:
        # Another process was first: a rename onto a filled directory fails.
        if not directory.is_dir():
            raise
    finally:
        shutil.rmtree(half, ignore_errors=True)
    return directory
