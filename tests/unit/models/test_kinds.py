"""A package that is installed beside claimlens adds a kind of model, and the house needs no change for it."""

from pathlib import Path

import pytest

from tests.unit.inference.faulty_encoder import batch
from udfs.errors import ModelError
from udfs.functions.embed import embed_photo_batches
from udfs.models import ModelReference, describe_model

REMOTE = """
import json, sys, threading, urllib.request
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, HTTPServer
import numpy as np
from udfs.inference.engine import Embedded
from udfs.models.description import ModelDescription
from udfs.models.kinds import Kind

class Endpoint(BaseHTTPRequestHandler):
    def do_POST(self):
        photo = self.rfile.read(int(self.headers["content-length"]))
        self.send_response(200); self.end_headers(); self.wfile.write(json.dumps([len(photo), 0]).encode())
    log_message = lambda *_: None

class Remote:
    portion, window, dimension, tasks = 2, 8, 2, frozenset({"embed_photos"})
    def __init__(self, reference, resources):
        self.model_key = describe(reference).model_key
        self._threads = ThreadPoolExecutor(4)
        server = HTTPServer(("127.0.0.1", 0), Endpoint)
        self._url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, daemon=True).start()
    def submit(self, task, contents): return self._threads.submit(self._ask, contents)
    def _ask(self, photos):
        answers = [json.load(urllib.request.urlopen(self._url, memoryview(photo).tobytes())) for photo in photos]
        vectors = np.array(answers, np.float32)
        return Embedded(vectors / np.linalg.norm(vectors, axis=1, keepdims=True))
    def gauges(self): return {"torch_is_loaded": float("torch" in sys.modules)}
    def health(self): pass
    def close(self): self._threads.shutdown()

def describe(reference):
    return ModelDescription(model_key=reference.options["deployment"], dimension=2, tasks=Remote.tasks)

KIND, BROKEN = Kind(describe, Remote), "no kind"
"""


@pytest.fixture
def installed(tmp_path: Path, monkeypatch) -> None:
    (tmp_path / "insurer.py").write_text(REMOTE)
    (tmp_path / "insurer-1.dist-info").mkdir()
    offers = "[claimlens.models]\nremote = insurer:KIND\nbroken = insurer:BROKEN\nabsent = insurer.nowhere:KIND\n"
    (tmp_path / "insurer-1.dist-info" / "entry_points.txt").write_text(offers)
    monkeypatch.syspath_prepend(str(tmp_path))
    # A host that is there already knows nothing of a package that came later.
    monkeypatch.setattr("udfs.inference.host.directory.parent_process", lambda: str(tmp_path))


def test_photos_go_to_a_kind_that_a_package_adds(installed):
    reference = ModelReference("house", kind="remote", options={"deployment": "2026-11"})
    results = list(embed_photo_batches(reference)(iter([batch("jpeg", [b"xxx", b"y", b"zz"])])))
    assert [row["vector"] for result in results for row in result.to_pylist()] == [[1, 0]] * 3
    assert dict(results[0].column("measures")[0].as_py())["torch_is_loaded"] == 0


@pytest.mark.parametrize(
    ("kind", "message"),
    [
        ("nonesuch", "not known here; use absent, broken, remote, transformers"),
        ("broken", r"\(insurer:BROKEN\) is a str"),
        ("absent", "cannot be imported: ModuleNotFoundError"),
    ],
)
def test_a_kind_that_cannot_be_had_says_why(installed, kind, message):
    with pytest.raises(ModelError, match=message):
        describe_model(ModelReference("house", kind=kind))
