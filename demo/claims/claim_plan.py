"""Decides what a demo holds: its claims, their photos, and everything about them that is wrong on purpose."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

import numpy as np

from demo.claims.captions import BACKGROUND_WORDS, DAMAGE_PLAIN, LIGHTING_WORDS
from demo.drawing.scene import (
    AZIMUTHS,
    SEVERITIES,
    SITES,
    VIEWS,
    Damage,
    Scene,
    pick,
    random_damages,
    random_scene,
)

PhotoKind = Literal[
    "plain",
    "sideways",
    "duplicate",
    "near_duplicate",
    "truncated",
    "empty",
    "not_image",
    "png",
    "webp",
]
MINIMUM_CLAIMS = 12
DIRTY_CHASSIS = ("AS PER LIST ATCHD.", "N/A", "UNKNOWN")
SENTINEL_DATE = "01-01-1900"
RELATIONSHIPS = ("husband", "wife", "own-child", "other-relative", "unmarried", "not-in-family")
REPORTED = {"minor": "Minor Damage", "moderate": "Moderate Damage", "severe": "Total Loss"}
AMOUNTS = {
    "Trivial Damage": 900,
    "Minor Damage": 3_200,
    "Moderate Damage": 7_500,
    "Major Damage": 14_000,
    "Total Loss": 38_000,
}
COLLISIONS = {"front": "Front Collision", "lamp": "Front Collision", "rear": "Rear Collision"}


@dataclass(frozen=True)
class PlannedPhoto:
    """One file to write: a scene, or a copy of an earlier file (`source`), or something that is no photo."""

    path: str
    claim_no: str
    chassis_no: str
    kind: PhotoKind
    scene: Scene | None
    source: str | None
    orientation: int
    taken_at: str
    place: tuple[float, float]


@dataclass(frozen=True)
class PlannedClaim:
    """One claim: its record as the insurer's system exports it, and what is really true of it."""

    claim_no: str
    chassis_no: str
    record: dict[str, Any]
    truth: dict[str, Any]
    scenes: tuple[Scene, ...]
    happened: datetime


@dataclass(frozen=True)
class DemoPlan:
    """Everything to write."""

    claims: tuple[PlannedClaim, ...]
    photos: tuple[PlannedPhoto, ...]


def plan_demo(*, claims: int, seed: int) -> DemoPlan:
    """Plans a demo of so many claims; the same for the same seed.

    Raises ValueError below MINIMUM_CLAIMS, where the oddities would not fit.
    """
    if claims < MINIMUM_CLAIMS:
        raise ValueError(f"a demo needs at least {MINIMUM_CLAIMS} claims to hold every oddity, not {claims}")
    generator = np.random.default_rng(seed)
    mismatched = set(generator.choice(np.arange(1, claims), max(2, claims // 24), replace=False).tolist())
    policies = [str(int(number)) for number in generator.integers(100_000_000, 140_000_000, size=claims)]
    planned = []
    for number in range(claims):
        # Some policies have several claims.
        policy = policies[number // 2] if generator.random() < 0.15 else policies[number]
        planned.append(_claim(generator, policy, mismatch=number in mismatched, photographed=number > 0))
    photos = [
        _photo(generator, claim, position, scene)
        for claim in planned
        for position, scene in enumerate(claim.scenes, start=1)
    ]
    photos = _with_oddities(generator, photos, planned)
    return DemoPlan(tuple(planned), tuple(photos))


def _claim(generator: np.random.Generator, policy: str, *, mismatch: bool, photographed: bool) -> PlannedClaim:
    damages = _claim_damages(generator, severe=mismatch)
    scenes = _scenes(generator, damages) if photographed else ()
    worst = max(damages, key=lambda damage: SEVERITIES.index(damage.severity), default=None)
    happened = datetime(2025, 1, 1, tzinfo=UTC) + timedelta(hours=int(generator.integers(0, 24 * 540)))
    reported = "Trivial Damage"
    if worst and not mismatch:
        reported = REPORTED[worst.severity]
        if worst.severity == "severe" and generator.random() < 0.3:
            reported = "Major Damage"
    claim_no = _identifier(generator)
    chassis = "".join("ABCDEFGHJKLMNPRSTUVWXYZ0123456789"[int(i)] for i in generator.integers(0, 33, size=17))
    if generator.random() < 0.06:
        chassis = pick(generator, DIRTY_CHASSIS)
    truth = {
        "mismatch": mismatch,
        "severity": worst.severity if worst else None,
        "labels": sorted(str(damage.kind) for damage in damages) or ["none"],
    }
    record = _record(generator, claim_no, policy, happened=happened, reported=reported, worst=worst)
    record["narrative"] = _narrative(generator, damages, scenes, record, mismatch=mismatch)
    return PlannedClaim(claim_no, chassis, record, truth, scenes, happened)


def _claim_damages(generator: np.random.Generator, *, severe: bool) -> tuple[Damage, ...]:
    """The damages of a claim, all of them visible from one of the views."""
    count = 2 if severe else int(generator.choice(4, p=(0.1, 0.45, 0.3, 0.15)))
    damages = random_damages(generator, pick(generator, VIEWS), count)
    if severe:
        damages = (replace(damages[0], severity="severe"), *damages[1:])
    return damages


def _scenes(generator: np.random.Generator, damages: tuple[Damage, ...]) -> tuple[Scene, ...]:
    """One to four photos of one vehicle at one place; the first shows the worst damage, the others what they can."""
    base = random_scene(generator, damage_count=0)
    scenes = []
    for position in range(int(generator.choice(np.arange(1, 5), p=(0.2, 0.35, 0.3, 0.15)))):
        views = VIEWS
        if damages and (position == 0 or generator.random() < 0.6):
            views = tuple(view for view in VIEWS if damages[0].site in SITES[view])
        view = pick(generator, views)
        visible = tuple(damage for damage in damages if damage.site in SITES[view])
        scenes.append(
            replace(
                base,
                view=view,
                azimuth=float(generator.uniform(*AZIMUTHS[view])),
                zoom=float(generator.uniform(1.0, 1.75)),
                damages=visible,
                seed=int(generator.integers(2**31)),
            )
        )
    return tuple(scenes)


def _record(
    generator: np.random.Generator,
    claim_no: str,
    policy: str,
    *,
    happened: datetime,
    reported: str,
    worst: Damage | None,
) -> dict[str, Any]:
    """A claim record in the shape of public insurance demos, their sentinels and gaps included."""
    part = worst.site.part if worst else None
    kinds = ("Multi-vehicle Collision", "Single Vehicle Collision", "Parked Car", "Vehicle Theft")
    incident = kinds[int(generator.choice(4, p=(0.45, 0.35, 0.14, 0.06)))]
    collided = "Collision" in incident
    collision = COLLISIONS.get(part or "", "Side Collision") if collided else None
    vehicles = int(generator.integers(2, 5)) if incident == "Multi-vehicle Collision" else 1
    vehicle = int(AMOUNTS[reported] * generator.uniform(0.6, 1.5)) // 10 * 10
    injury = int(vehicle * generator.uniform(0, 0.4)) // 10 * 10
    other = int(vehicle * generator.uniform(0, 0.3)) // 10 * 10
    age = float(generator.integers(18, 84))
    licensed = happened - timedelta(days=int(generator.integers(200, 8_000)))
    return {
        "claim_no": claim_no,
        "policy_no": policy,
        "claim_datetime": (happened + timedelta(days=int(generator.integers(0, 20)), minutes=17)).strftime(
            "%Y-%m-%d %H:%M:%S"
        ),
        "incident": {
            "date": happened.strftime("%d-%m-%Y"),
            "hour": happened.hour,
            "type": incident,
            "severity": reported,
        },
        "collision": {"type": collision, "number_of_vehicles_involved": vehicles},
        "driver": {
            "age": 0.0 if generator.random() < 0.06 else age,
            "insured_relationship": pick(generator, RELATIONSHIPS),
            "license_issue_date": SENTINEL_DATE if generator.random() < 0.08 else licensed.strftime("%d-%m-%Y"),
        },
        "claim_amount": {
            "total": vehicle + injury + other,
            "injury": injury,
            "property": other,
            "vehicle": vehicle,
        },
        "number_of_witnesses": int(generator.integers(0, 4)),
        "suspicious_activity": bool(generator.random() < 0.08),
        "months_as_customer": int(generator.integers(1, 400)),
    }


def _narrative(
    generator: np.random.Generator,
    damages: tuple[Damage, ...],
    scenes: tuple[Scene, ...],
    record: dict[str, Any],
    *,
    mismatch: bool,
) -> str:
    """What the claimant wrote."""
    if scenes:
        first = scenes[0]
        place = f"{BACKGROUND_WORDS[first.background][0]} {LIGHTING_WORDS[first.lighting][0]}"
        vehicle = f"My {first.vehicle.colour} {first.vehicle.body}"
    else:
        place, vehicle = "near my home", "My car"
    cause = {
        "Multi-vehicle Collision": "was hit by another vehicle",
        "Single Vehicle Collision": "hit an obstacle",
        "Parked Car": "was parked when somebody hit it and drove off",
        "Vehicle Theft": "was stolen and found again",
    }[record["incident"]["type"]]
    if mismatch:
        return f"{vehicle} {cause} {place}. It is only a trifle, hardly worth the paper."
    if not damages:
        return f"{vehicle} {cause} {place}. I could find no damage, but I want it on record."
    parts = " and ".join(pick(generator, DAMAGE_PLAIN[damage.kind]) for damage in damages)
    return f"{vehicle} {cause} {place}. It has {parts}."


def _photo(generator: np.random.Generator, claim: PlannedClaim, position: int, scene: Scene | None) -> PlannedPhoto:
    return PlannedPhoto(
        path=f"{claim.claim_no}/{position}.jpg",
        claim_no=claim.claim_no,
        chassis_no=claim.chassis_no,
        kind="plain",
        scene=scene,
        source=None,
        orientation=1,
        taken_at=claim.happened.strftime("%Y:%m:%d %H:%M:%S"),
        place=(float(generator.uniform(47, 54)), float(generator.uniform(6, 14))),
    )


def _with_oddities(
    generator: np.random.Generator, photos: list[PlannedPhoto], claims: list[PlannedClaim]
) -> list[PlannedPhoto]:
    """The photos with some changed and some added; the first claim stays without any."""
    photos = list(photos)
    # A first photo shows what its claim is about: it stays sound.
    changeable = [index for index, photo in enumerate(photos) if not photo.path.endswith("/1.jpg")]
    order = [changeable[int(i)] for i in generator.permutation(len(changeable))]
    broken = max(2, len(claims) // 60)
    changes: list[PhotoKind] = ["png", "webp"]
    changes += ["truncated"] * broken
    for kind, index in zip(changes, order, strict=False):
        photo = photos[index]
        suffix = {"png": "png", "webp": "webp"}.get(kind, "jpg")
        photos[index] = replace(photo, kind=kind, path=photo.path.replace(".jpg", f".{suffix}"))
    sound = [index for index, photo in enumerate(photos) if photo.kind == "plain"]
    for index in generator.choice(sound, max(3, len(photos) // 12), replace=False).tolist():
        orientation = int(generator.choice((6, 8, 6, 8, 3)))
        photos[index] = replace(photos[index], kind="sideways", orientation=orientation)
    originals = [photo for photo in photos if photo.kind == "plain"]
    added: list[PlannedPhoto] = []
    taken = {claim.claim_no: len(claim.scenes) for claim in claims}
    copies: list[PhotoKind] = ["duplicate"] * max(3, len(claims) // 12)
    copies += ["near_duplicate"] * max(3, len(claims) // 15)
    chosen = generator.choice(len(originals), len(copies), replace=False).tolist()
    for kind, index in zip(copies, chosen, strict=True):
        original = originals[index]
        others = [claim for claim in claims[1:] if claim.claim_no != original.claim_no]
        receiver = pick(generator, tuple(others))
        taken[receiver.claim_no] += 1
        copy = _photo(generator, receiver, taken[receiver.claim_no], original.scene)
        added.append(replace(copy, kind=kind, source=original.path))
    wrong: tuple[PhotoKind, ...] = ("empty", "not_image")
    for kind in wrong:
        receiver = pick(generator, tuple(claims[1:]))
        taken[receiver.claim_no] += 1
        added.append(replace(_photo(generator, receiver, taken[receiver.claim_no], None), kind=kind))
    stray = _photo(generator, claims[1], 1, random_scene(generator, damage_count=1))
    unknown = _identifier(generator)
    added.append(replace(stray, claim_no=unknown, path=f"{unknown}/1.jpg"))
    return photos + added


def _identifier(generator: np.random.Generator) -> str:
    return str(uuid.UUID(bytes=generator.bytes(16), version=4))
