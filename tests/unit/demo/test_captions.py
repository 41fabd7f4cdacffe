"""What is said of a scene is true of it, and the vocabulary of facts is closed."""

import numpy as np

from demo.claims.captions import all_facts, caption, facts_of, search_sentence
from demo.drawing.render import render
from demo.drawing.scene import random_scene


def scenes(count):
    generator = np.random.default_rng(11)
    return [random_scene(generator) for _ in range(count)]


def test_every_caption_is_true_of_its_own_scene():
    generator = np.random.default_rng(12)
    for scene in scenes(300):
        for write in (caption, search_sentence):
            sentence = write(generator, scene)
            assert sentence.true_of(facts_of(scene)), sentence.text
            assert "{" not in sentence.text


def test_no_fact_lies_outside_the_vocabulary():
    vocabulary = set(all_facts())
    assert len(vocabulary) == len(all_facts())
    assert set().union(*(facts_of(scene) for scene in scenes(300))) <= vocabulary


def test_the_first_damage_is_the_worst_and_it_never_rains_indoors():
    for scene in scenes(300):
        assert not scene.damages or scene.worst == scene.damages[0]
        assert not (scene.background == "garage" and scene.lighting == "rain")


def test_every_damage_lies_inside_its_photo():
    for scene in scenes(20):
        rendering = render(scene, width=96, oversample=1)
        assert rendering.image.size == (96, 72)
        assert [region.kind for region in rendering.regions] == [damage.kind for damage in scene.damages]
        for region in rendering.regions:
            assert -0.05 <= region.left < region.right <= 1.05
            assert -0.05 <= region.top < region.bottom <= 1.05
