"""A stand-in for a text tower: every sentence of a small taxonomy has a direction that the test knows."""

import numpy as np

from udfs.heads.taxonomy_file import parse_taxonomy
from udfs.heads.zero_shot import build_head

TAXONOMY = """
name: small
version: 1
review: {minimum_confidence: 0.6, minimum_margin: 0.1}
facets:
  - name: damage
    kind: multi_label
    none_class: none
    threshold: 0.5
    contrast: [intact]
    classes:
      - {name: dent, prompts: [a dent, dents], contrast: [no dent]}
      - {name: crack, prompts: [a crack], threshold: 0.7}
      - {name: none, prompts: [nothing broken]}
  - name: severity
    kind: single_label
    when: damaged
    classes:
      - {name: minor, prompts: [slight]}
      - {name: moderate, prompts: [medium]}
      - {name: severe, prompts: [heavy]}
  - name: part
    kind: single_label
    when: damaged
    temperature: 20
    classes:
      - {name: front, prompts: [the front]}
      - {name: rear, prompts: [the rear]}
"""
DIMENSION = 12
SCALE = 10.0
MODEL_KEY = "model"
# One axis a sentence, so that a photo is composed of what it shows.
AXES = (
    "a dent",
    "dents",
    "no dent",
    "a crack",
    "intact",
    "nothing broken",
    "slight",
    "medium",
    "heavy",
    "the front",
    "the rear",
)


def encode_texts(texts):
    """Each sentence to its axis; longer than a unit vector on purpose, as the head has to normalise."""
    rows = np.zeros((len(texts), DIMENSION), dtype=np.float32)
    for row, text in enumerate(texts):
        rows[row, AXES.index(text)] = 3.0
    return rows


def small_taxonomy(text=TAXONOMY):
    return parse_taxonomy(text, "small.yaml")


def small_head(text=TAXONOMY):
    return build_head(small_taxonomy(text), encode_texts, MODEL_KEY, SCALE)


def photo(**shows):
    """A unit vector that shows each sentence (blanks written as _) with a weight."""
    vector = np.zeros(DIMENSION, dtype=np.float32)
    for sentence, weight in shows.items():
        vector[AXES.index(sentence.replace("_", " "))] = weight
    return vector / np.linalg.norm(vector)
