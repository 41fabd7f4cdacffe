"""The section "Photos shared between claims": the same file, or a likeness by its perceptual hash."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

from jobs.lakehouse.snapshot import Snapshot
from jobs.steps.report.content import DuplicateGroup
from jobs.steps.report.photo_groups import group_photos, pairs_across_claims

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from pyspark.sql import DataFrame

HASHES_COMPARED = 2_000_000
"""Distinct hashes that one driver compares: 16 MB, and minutes rather than hours."""
PHOTOS_CONSIDERED = 20_000
PAIRS_COUNTED = 200_000
GROUPS_SHOWN = 16


@dataclass(frozen=True)
class Duplicates:
    """Groups to show, and how many there are of everything; `note` says where a bound was met."""

    groups: tuple[DuplicateGroup, ...] = ()
    group_count: int = 0
    pairs: int = 0
    shared_photos: int = 0
    note: str = ""


def shared_photos(snapshot: Snapshot, distance: int) -> Duplicates:
    """Compares the hashes of all photos of claims; exact up to HASHES_COMPARED distinct hashes.

    Only hashes reach the driver for the comparison; ids and claims follow for the photos that turned out alike.
    """
    from pyspark.sql import functions as F

    failed = snapshot.read("photos").where("status = 'failed'").select("photo_id")
    links = snapshot.read("claim_photos").select("claim_id", "photo_id").distinct()
    links = links.join(failed, "photo_id", "left_anti")  # an empty file is the same in every claim, and no photo
    hashed = (
        snapshot.read("photos")
        .where("status = 'ok' AND perceptual_hash IS NOT NULL")
        .select("photo_id", F.col("perceptual_hash").alias("hash"))
        .join(links.select("photo_id").distinct(), "photo_id", "left_semi")
    )
    per_hash = hashed.groupBy("hash").agg(F.count("photo_id").alias("photos"))
    counted = per_hash.orderBy("hash").limit(HASHES_COMPARED + 1).toArrow()
    notes = []
    hashes = counted.column("hash").to_numpy()
    photos_per_hash = counted.column("photos").to_numpy()
    if len(hashes) > HASHES_COMPARED:
        notes.append(f"Only the first {HASHES_COMPARED:,} distinct perceptual hashes were compared.")
        hashes, photos_per_hash = hashes[:HASHES_COMPARED], photos_per_hash[:HASHES_COMPARED]
    pairs = _near_pairs(hashes, distance)
    several = hashes[photos_per_hash > 1].tolist()
    alike = sorted({value for pair in pairs for value in pair} | set(several))[:PHOTOS_CONSIDERED]
    rows = _photos_of(snapshot, hashed, alike, links)
    if len(rows) > PHOTOS_CONSIDERED or len(alike) == PHOTOS_CONSIDERED:
        notes.append(f"More than {PHOTOS_CONSIDERED:,} photos look alike; the figures cover the first of them.")
    rows = rows[:PHOTOS_CONSIDERED]
    shared = links.groupBy("photo_id").agg(F.countDistinct("claim_id").alias("claims")).where("claims > 1")
    shared_count = shared.count()
    shown_shared = _photos_of_ids(shared.orderBy(F.desc("claims"), "photo_id").limit(GROUPS_SHOWN), links)

    by_hash: dict[int, list[str]] = {}
    hash_of: dict[str, int] = {}
    claims: dict[str, list[str]] = {}
    for photo_id, value, claim_ids in rows:
        by_hash.setdefault(value, []).append(photo_id)
        hash_of[photo_id] = value
        claims[photo_id] = claim_ids
    across = pairs_across_claims(pairs, by_hash, claims, PAIRS_COUNTED)
    if len(across) == PAIRS_COUNTED:
        notes.append(f"Counting stopped at {PAIRS_COUNTED:,} pairs.")
    groups = group_photos(across, hash_of, {**shown_shared, **claims})
    hidden = max(
        0,
        shared_count - sum(1 for claim_ids in {**shown_shared, **claims}.values() if len(set(claim_ids)) > 1),
    )
    return Duplicates(tuple(groups[:GROUPS_SHOWN]), len(groups) + hidden, len(across), shared_count, " ".join(notes))


def _near_pairs(hashes: "NDArray[np.int64]", distance: int) -> list[tuple[int, int]]:
    """Pairs of different hashes at most `distance` bits apart."""
    from udfs.images.perceptual import near_duplicate_pairs

    pairs = near_duplicate_pairs(hashes, distance)
    return [(int(first), int(second)) for first, second in hashes[pairs].tolist()]


def _photos_of(
    snapshot: Snapshot, hashed: "DataFrame", alike: list[int], links: "DataFrame"
) -> list[tuple[str, int, list[str]]]:
    from pyspark.sql import functions as F

    if not alike:
        return []
    wanted = snapshot.spark.createDataFrame([(value,) for value in alike], "hash BIGINT")
    rows = (
        hashed.join(wanted, "hash")
        .orderBy("hash", "photo_id")
        .limit(PHOTOS_CONSIDERED + 1)
        .join(links, "photo_id")
        .groupBy("photo_id", "hash")
        .agg(F.array_sort(F.slice(F.collect_set("claim_id"), 1, 100)).alias("claim_ids"))
        .orderBy("hash", "photo_id")
        .collect()
    )
    return [(row["photo_id"], row["hash"], row["claim_ids"]) for row in rows]


def _photos_of_ids(photos: "DataFrame", links: "DataFrame") -> dict[str, list[str]]:
    from pyspark.sql import functions as F

    rows = (
        links.join(photos.select("photo_id"), "photo_id")
        .groupBy("photo_id")
        .agg(F.array_sort(F.slice(F.collect_set("claim_id"), 1, 100)).alias("claim_ids"))
        .collect()
    )
    return {row["photo_id"]: row["claim_ids"] for row in rows}
