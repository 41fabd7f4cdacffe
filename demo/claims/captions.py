"""Sentences about scenes, and what each of them says: for training, for search and for zero-shot prompts.

A scene is a set of facts such as 'damage:dent' or 'colour:red'. A sentence states that some facts hold and
that others do not. Whether a sentence is true of a photo is then plain set arithmetic, which is what lets
training know every photo that a caption describes, not only the one it was written for.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from demo.drawing.scene import (
    BACKGROUNDS,
    BODY_TYPES,
    COLOURS,
    DAMAGE_KINDS,
    DAMAGES_OF_PART,
    LIGHTINGS,
    PARTS,
    SEVERITIES,
    Damage,
    Scene,
    pick,
)

DAMAGE_WORDS: dict[str, tuple[str, ...]] = {
    "scratch": ("a scratch", "scratches", "scratched paint", "scraped paint", "a scratched {part}"),
    "dent": ("a dent", "dents", "dented bodywork", "a dented panel", "a dented {part}"),
    "crack": ("a crack", "cracks", "cracked bodywork", "a cracked panel", "a cracked {part}"),
    "glass_shatter": ("shattered glass", "a broken window", "a smashed windscreen", "broken glass"),
    "lamp_broken": ("a broken lamp", "a smashed headlight", "a broken light", "a broken tail light"),
    "tire_flat": ("a flat tire", "a flat tyre", "a punctured tire", "a deflated wheel"),
}
DAMAGE_PLAIN = {kind: tuple(words for words in DAMAGE_WORDS[kind] if "{part}" not in words) for kind in DAMAGE_KINDS}
ABSENT: dict[str, tuple[str, ...]] = {
    "scratch": ("a car without scratches", "a photo of a car with no scratches", "unscratched paint"),
    "dent": ("a car without dents", "a photo of a car with no dents", "straight undented bodywork"),
    "crack": ("a car without cracks", "a photo of a car with no cracks", "uncracked bodywork"),
    "glass_shatter": ("a car with intact windows", "a photo of a car with no broken glass", "intact glass"),
    "lamp_broken": ("a car with intact lamps", "a photo of a car with no broken lamp", "working lights"),
    "tire_flat": ("a car with inflated tires", "a photo of a car with no flat tire", "inflated tyres"),
}
UNDAMAGED = (
    "an undamaged car",
    "a photo of an undamaged car",
    "a car without damage",
    "a car in perfect condition",
    "an intact vehicle",
)
SEVERITY_WORDS: dict[str, tuple[str, ...]] = {
    "minor": ("minor", "slight", "light", "small"),
    "moderate": ("moderate", "medium"),
    "severe": ("severe", "heavy", "serious", "major"),
}
PART_WORDS: dict[str, tuple[str, ...]] = {
    "front": ("front", "front bumper"),
    "rear": ("rear", "rear bumper", "back"),
    "door": ("door", "side door"),
    "window": ("window", "windscreen", "glass"),
    "lamp": ("lamp", "light", "headlight"),
    "wheel": ("wheel", "tire", "tyre"),
}
BODY_WORDS: dict[str, tuple[str, ...]] = {
    "sedan": ("sedan", "saloon"),
    "hatchback": ("hatchback", "small car"),
    "SUV": ("SUV", "off-road car"),
    "van": ("van", "delivery van"),
    "pickup": ("pickup", "pickup truck"),
}
COLOUR_WORDS = {colour: (colour,) for colour in COLOURS} | {"silver": ("silver", "grey", "gray")}
BACKGROUND_WORDS: dict[str, tuple[str, ...]] = {
    "street": ("in a street", "on a city street", "in town"),
    "car park": ("in a car park", "in a parking lot"),
    "garage": ("in a garage", "in a workshop", "indoors"),
    "countryside": ("in the countryside", "on grass", "in a field"),
    "snow": ("in the snow", "on snow", "in winter"),
}
LIGHTING_WORDS: dict[str, tuple[str, ...]] = {
    "day": ("by day", "in daylight"),
    "dusk": ("at dusk", "at sunset"),
    "night": ("at night", "in the dark"),
    "rain": ("in the rain", "in rainy weather"),
}
OPENINGS = ("", "", "a photo of ", "a picture of ", "photo of ")


@dataclass(frozen=True)
class Sentence:
    """A sentence, the facts it states and the facts it denies."""

    text: str
    says: frozenset[str]
    denies: frozenset[str] = frozenset()

    def true_of(self, facts: frozenset[str]) -> bool:
        """Whether a scene with these facts is one that the sentence describes."""
        return self.says <= facts and not self.denies & facts


def facts_of(scene: Scene) -> frozenset[str]:
    """Everything a sentence may say of a scene."""
    facts = {
        f"body:{scene.vehicle.body}",
        f"colour:{scene.vehicle.colour}",
        f"background:{scene.background}",
        f"lighting:{scene.lighting}",
    }
    facts |= {f"damage:{label}" for label in scene.labels}
    if scene.severity:
        facts |= {"damaged", f"severity:{scene.severity}", f"part:{scene.part}"}
    for damage in scene.damages:
        facts |= {
            f"at:{damage.site.part}",
            f"{damage.kind}@{damage.site.part}",
            f"{damage.kind}#{damage.severity}",
        }
    return frozenset(facts)


def all_facts() -> tuple[str, ...]:
    """The closed vocabulary of facts, in a fixed order."""
    facts = ["damage:none", "damaged"]
    facts += [f"damage:{kind}" for kind in DAMAGE_KINDS]
    facts += [f"{kind}#{severity}" for kind in DAMAGE_KINDS for severity in SEVERITIES]
    facts += [f"{kind}@{part}" for part in PARTS for kind in DAMAGES_OF_PART[part]]
    for name, values in (
        ("severity", SEVERITIES),
        ("part", PARTS),
        ("at", PARTS),
        ("body", BODY_TYPES),
        ("colour", tuple(COLOURS)),
        ("background", BACKGROUNDS),
        ("lighting", LIGHTINGS),
    ):
        facts += [f"{name}:{value}" for value in values]
    return tuple(facts)


def caption(generator: np.random.Generator, scene: Scene) -> Sentence:
    """A sentence true of the scene: sometimes about one thing, sometimes about several."""
    if generator.random() < 0.4:
        return _short(generator, scene)
    return _long(generator, scene)


def search_sentence(generator: np.random.Generator, scene: Scene) -> Sentence:
    """What somebody would type to find a photo such as this one: the damage, the vehicle and often the place."""
    return _long(generator, scene, searching=True)


def _short(generator: np.random.Generator, scene: Scene) -> Sentence:
    """One thing about the scene; what it is depends on a throw of the dice and on whether there is damage."""
    opening = pick(generator, OPENINGS)
    choice = generator.random()
    if choice < 0.3:
        absent = tuple(kind for kind in DAMAGE_KINDS if kind not in scene.labels)
        kind = pick(generator, absent)
        return Sentence(pick(generator, ABSENT[kind]), frozenset(), frozenset({f"damage:{kind}"}))
    if choice < 0.64:
        return _setting(generator, scene, opening, choice)
    if not scene.worst:
        return Sentence(pick(generator, UNDAMAGED), frozenset({"damage:none"}))
    if choice < 0.76:
        word = pick(generator, SEVERITY_WORDS[scene.severity or "minor"])
        text = pick(generator, (f"{opening}a car with {word} damage", f"{word} damage"))
        return Sentence(text, frozenset({f"severity:{scene.severity}"}))
    damage = pick(generator, scene.damages)
    if choice < 0.84:
        word = pick(generator, PART_WORDS[damage.site.part])
        text = pick(generator, (f"a damaged {word}", f"{opening}a car with a damaged {word}"))
        return Sentence(text, frozenset({f"at:{damage.site.part}"}))
    words, says = _damage_words(generator, damage)
    return Sentence(f"{opening}{pick(generator, ('a car', 'a vehicle', 'a car'))} with {words}", says)


def _setting(generator: np.random.Generator, scene: Scene, opening: str, choice: float) -> Sentence:
    """Where and when the photo was taken, or of what vehicle."""
    if choice < 0.44:
        word = pick(generator, BACKGROUND_WORDS[scene.background])
        return Sentence(f"{opening}a car {word}", frozenset({f"background:{scene.background}"}))
    if choice < 0.54:
        word = pick(generator, LIGHTING_WORDS[scene.lighting])
        return Sentence(f"{opening}a car {word}", frozenset({f"lighting:{scene.lighting}"}))
    body, colour = scene.vehicle.body, scene.vehicle.colour
    name = f"{pick(generator, COLOUR_WORDS[colour])} {pick(generator, BODY_WORDS[body])}"
    return Sentence(f"{opening}a {name}", frozenset({f"body:{body}", f"colour:{colour}"}))


def _damage_words(generator: np.random.Generator, damage: Damage) -> tuple[str, frozenset[str]]:
    part = damage.site.part
    words = pick(generator, DAMAGE_WORDS[damage.kind])
    says = {f"damage:{damage.kind}"}
    if "{part}" in words:
        words = words.format(part=pick(generator, PART_WORDS[part]))
        says.add(f"{damage.kind}@{part}")
    elif part in ("front", "rear", "door") and generator.random() < 0.35:
        words = f"{words} on the {pick(generator, PART_WORDS[part])}"
        says.add(f"{damage.kind}@{part}")
    return words, frozenset(says)


def _long(generator: np.random.Generator, scene: Scene, *, searching: bool = False) -> Sentence:
    says: set[str] = set()
    name = pick(generator, ("car", "vehicle", "car"))
    if generator.random() < 0.6:
        name = pick(generator, BODY_WORDS[scene.vehicle.body])
        says.add(f"body:{scene.vehicle.body}")
    if generator.random() < 0.6:
        name = f"{pick(generator, COLOUR_WORDS[scene.vehicle.colour])} {name}"
        says.add(f"colour:{scene.vehicle.colour}")
    article = "an" if name[0] in "aeio" else "a"
    if not scene.worst:
        says.add("damage:none")
        text = pick(generator, (f"an undamaged {name}", f"{article} {name} without damage", f"an intact {name}"))
    else:
        damage = scene.damages[0] if generator.random() < 0.6 else pick(generator, scene.damages)
        words, stated = _damage_words(generator, damage)
        says |= stated
        text = f"{article} {name} with {words}"
        others = [other for other in scene.damages if other.kind != damage.kind]
        if others and generator.random() < 0.4:
            other = others[int(generator.integers(len(others)))]
            more, stated = _damage_words(generator, other)
            says |= stated
            text += f" and {more}"
    if generator.random() < (0.5 if searching else 0.45):
        text += f" {pick(generator, BACKGROUND_WORDS[scene.background])}"
        says.add(f"background:{scene.background}")
    if generator.random() < 0.35:
        text += f" {pick(generator, LIGHTING_WORDS[scene.lighting])}"
        says.add(f"lighting:{scene.lighting}")
    if scene.severity and generator.random() < 0.25:
        text += f", {pick(generator, SEVERITY_WORDS[scene.severity])} damage"
        says.add(f"severity:{scene.severity}")
    return Sentence(pick(generator, OPENINGS) + text, frozenset(says))
