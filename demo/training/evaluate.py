"""Measures a demo model on photos it never saw: `python -m demo.training.evaluate --model DIR`."""

from __future__ import annotations

import argparse
import io
import json
import sys
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from demo.claims.captions import Sentence, facts_of, search_sentence
from demo.drawing.render import FULL_WIDTH, render
from demo.drawing.scene import DAMAGE_KINDS, Scene, random_scene

if TYPE_CHECKING:
    from udfs.inference.network import Encoder

TAXONOMY = "vehicle"
MODEL = Path(__file__).resolve().parents[2] / "conf" / "models" / "demo"
# No training seed comes near it.
UNSEEN_SEED = 20_260_101
FOUND_AMONG = 10
STATED_AT_LEAST = 3
Vectors = NDArray[np.float32]


@dataclass(frozen=True)
class Figures:
    """What was measured; chance is what photos in random order would find."""

    photos: int
    macro_f1: float
    f1: dict[str, float]
    severity_accuracy: float
    part_accuracy: float
    sentences: int
    hit_at_10: float
    chance_at_10: float


def unseen_scenes(count: int, seed: int = UNSEEN_SEED) -> list[Scene]:
    """Scenes that no training run has drawn."""
    generator = np.random.default_rng(seed)
    return [random_scene(generator) for _ in range(count)]


def unseen_sentences(scenes: list[Scene], count: int, seed: int = UNSEEN_SEED) -> list[Sentence]:
    """Different sentences, each true of one of the photos at least, each stating three things or more."""
    generator = np.random.default_rng(seed + 1)
    sentences: dict[str, Sentence] = {}
    while len(sentences) < count:
        sentence = search_sentence(generator, scenes[int(generator.integers(len(scenes)))])
        if len(sentence.says) >= STATED_AT_LEAST:
            sentences.setdefault(sentence.text, sentence)
    return list(sentences.values())


def photo_files(scenes: list[Scene], *, width: int = FULL_WIDTH, processes: int = 2) -> list[bytes]:
    """The photos as JPEG files, as a demo writes them; `width` pixels wide."""
    with ProcessPoolExecutor(processes, mp_context=get_context("spawn")) as pool:
        return list(pool.map(partial(_jpeg, width=width), scenes, chunksize=16))


def load(directory: Path) -> Encoder:
    """The encoder of a model's directory, as the jobs load it."""
    from udfs.models.reference import ModelReference
    from udfs.models.transformers.kind import load_encoder

    return load_encoder(ModelReference(str(directory), device="cpu", dtype="float32"))


def embed_photos(encoder: Encoder, files: list[bytes], batch: int = 64) -> Vectors:
    """Unit vectors (n, dimension) of JPEG files."""
    vectors = []
    for start in range(0, len(files), batch):
        pictures = [Image.open(io.BytesIO(content)).convert("RGB") for content in files[start : start + batch]]
        vectors.append(encoder.encode_photos(pictures))
    return np.concatenate(vectors)


def measure(encoder: Encoder, scenes: list[Scene], files: list[bytes], *, sentences: int) -> Figures:
    """All figures over the photos."""
    photos = embed_photos(encoder, files)
    f1, severity, part = _zero_shot(encoder, photos, scenes)
    asked = unseen_sentences(scenes, sentences)
    hit, chance = retrieval(photos, encoder.encode_texts([sentence.text for sentence in asked]), asked, scenes)
    return Figures(
        photos=len(scenes),
        macro_f1=round(sum(f1.values()) / len(f1), 4),
        f1=f1,
        severity_accuracy=severity,
        part_accuracy=part,
        sentences=len(asked),
        hit_at_10=hit,
        chance_at_10=chance,
    )


def retrieval(photos: Vectors, texts: Vectors, sentences: list[Sentence], scenes: list[Scene]) -> tuple[float, float]:
    """Share of sentences with a true photo among the first 10, and the share to expect by chance."""
    facts = [facts_of(scene) for scene in scenes]
    hits, chances = [], []
    for sentence, order in zip(sentences, np.argsort(-(texts @ photos.T), axis=1), strict=True):
        true_of = np.array([sentence.true_of(one) for one in facts])
        hits.append(bool(true_of[order[:FOUND_AMONG]].any()))
        others = len(scenes) - int(true_of.sum())
        missed = np.prod([(others - draw) / (len(scenes) - draw) for draw in range(FOUND_AMONG)])
        chances.append(1 - float(missed))
    return round(float(np.mean(hits)), 4), round(float(np.mean(chances)), 4)


def _zero_shot(encoder: Encoder, photos: Vectors, scenes: list[Scene]) -> tuple[dict[str, float], float, float]:
    """F1 of each damage class and of none, accuracy of severity and of part over the damaged photos."""
    from udfs.heads.taxonomy_file import load_taxonomy
    from udfs.heads.zero_shot import build_head

    taxonomy = load_taxonomy(TAXONOMY)
    head = build_head(taxonomy, encoder.encode_texts, encoder.model_key, encoder.logit_scale)
    predicted = head.predict(photos)
    labels = [frozenset(found) for found in predicted.labels]
    f1 = {label: _f1(label, labels, scenes) for label in (*DAMAGE_KINDS, "none")}
    # The head decides severity and part only where it found damage; the scores are there for all photos.
    damaged = [row for row, scene in enumerate(scenes) if scene.damages]
    severity = _best(predicted.score_keys, predicted.scores, "severity")
    part = _best(predicted.score_keys, predicted.scores, "part")
    severity_right = [severity[row] == scenes[row].severity for row in damaged]
    part_right = [part[row] in _worst_parts(scenes[row]) for row in damaged]
    return f1, round(float(np.mean(severity_right)), 4), round(float(np.mean(part_right)), 4)


def _best(score_keys: tuple[str, ...], scores: Vectors, facet: str) -> list[str]:
    """The class of a facet with the highest score, for every photo."""
    columns = [column for column, key in enumerate(score_keys) if key.startswith(f"{facet}/")]
    names = [score_keys[column].split("/")[1] for column in columns]
    return [names[index] for index in scores[:, columns].argmax(axis=1).tolist()]


def _worst_parts(scene: Scene) -> set[str]:
    """The parts that share the worst severity: any of them is a right answer."""
    return {damage.site.part for damage in scene.damages if damage.severity == scene.severity}


def _f1(label: str, found: list[frozenset[str]], scenes: list[Scene]) -> float:
    """F1 of one label."""
    pairs = [(label in one, label in scene.labels) for one, scene in zip(found, scenes, strict=True)]
    both = sum(given and true for given, true in pairs)
    return round(2 * both / max(1, sum(given + true for given, true in pairs)), 4)


def _jpeg(scene: Scene, *, width: int) -> bytes:
    buffer = io.BytesIO()
    render(scene, width=width).image.save(buffer, "JPEG", quality=88)
    return buffer.getvalue()


def main() -> None:
    """Renders unseen photos, measures and prints the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--model", type=Path, default=MODEL)
    parser.add_argument("--photos", type=int, default=1_000)
    parser.add_argument("--sentences", type=int, default=200)
    parser.add_argument("--seed", type=int, default=UNSEEN_SEED, help="another one for tuning thresholds")
    parser.add_argument("--width", type=int, default=FULL_WIDTH, help="pixels; 640 is what a demo holds")
    options = parser.parse_args()
    scenes = unseen_scenes(options.photos, options.seed)
    files = photo_files(scenes, width=options.width)
    figures = measure(load(options.model), scenes, files, sentences=options.sentences)
    sys.stdout.write(json.dumps(asdict(figures), indent=1) + "\n")


if __name__ == "__main__":
    main()
