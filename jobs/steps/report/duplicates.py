"""Photos that look the same in different claims: pure grouping of what the hashes say."""

from collections.abc import Iterable, Mapping, Sequence
from itertools import chain, combinations, islice, product

from jobs.steps.report.content import DuplicateGroup, DuplicatePhoto
from udfs.images.perceptual import hamming_distance

PHOTOS_PER_GROUP = 4


def across_claims(first: Iterable[str], second: Iterable[str]) -> bool:
    """Whether a claim of the one photo differs from a claim of the other."""
    one, other = set(first), set(second)
    return bool(one and other) and len(one | other) > 1


def pairs_across_claims(
    pairs: Iterable[tuple[int, int]],
    photos_by_hash: Mapping[int, Sequence[str]],
    claims: Mapping[str, Sequence[str]],
    most: int = 200_000,
) -> list[tuple[str, str]]:
    """Pairs of different photos in different claims, in order.

    Args:
        pairs: pairs of different hashes that are near each other, each once.
        photos_by_hash: photo ids per hash; photos of one hash are near each other, too.
        claims: claim ids per photo.
        most: where to stop; a blank picture in ten thousand claims makes fifty million pairs.
    """
    equal = (pair for photos in photos_by_hash.values() for pair in combinations(photos, 2))
    near = (
        pair for left, right in pairs for pair in product(photos_by_hash.get(left, ()), photos_by_hash.get(right, ()))
    )
    spanning = (
        (min(pair), max(pair))
        for pair in chain(equal, near)
        if across_claims(claims.get(pair[0], ()), claims.get(pair[1], ()))
    )
    return sorted(islice(spanning, most))


def group_photos(
    pairs: Sequence[tuple[str, str]],
    hashes: Mapping[str, int],
    claims: Mapping[str, Sequence[str]],
) -> list[DuplicateGroup]:
    """Groups of photos that are linked by pairs, and photos that several claims share; most telling first.

    The very same file comes before a likeness, then the group with more claims, then the smaller distance.
    Distances are from the group's first photo, which is the one that most of its pairs name.
    """
    parent: dict[str, str] = {}

    def root(photo: str) -> str:
        while parent.setdefault(photo, photo) != photo:
            parent[photo] = parent[parent[photo]]
            photo = parent[photo]
        return photo

    links: dict[str, int] = {}
    for first, second in pairs:
        parent[root(first)] = root(second)
        for photo in (first, second):
            links[photo] = links.get(photo, 0) + 1
    for photo, claim_ids in claims.items():
        if len(set(claim_ids)) > 1:
            root(photo)
    members: dict[str, list[str]] = {}
    for photo in sorted(parent):
        members.setdefault(root(photo), []).append(photo)
    groups = []
    for photos in members.values():
        anchor = min(photos, key=lambda photo: (-links.get(photo, 0), photo))
        listed = [
            DuplicatePhoto(
                photo,
                tuple(sorted(set(claims.get(photo, ())))),
                hamming_distance(hashes[photo], hashes[anchor]) if photo in hashes and anchor in hashes else 0,
            )
            for photo in photos
        ]
        listed.sort(key=lambda photo: (photo.photo_id != anchor, photo.distance, photo.photo_id))
        every_claim = tuple(sorted({claim for photo in listed for claim in photo.claim_ids}))
        shown = tuple(listed[:PHOTOS_PER_GROUP])
        groups.append(DuplicateGroup(shown, every_claim, len(listed) - len(shown)))
    return sorted(groups, key=_order)


def _order(group: DuplicateGroup) -> tuple[bool, int, int, str]:
    nearest = min((photo.distance for photo in group.photos[1:]), default=0)
    return (not group.same_file, -len(group.claim_ids), nearest, group.photos[0].photo_id)
