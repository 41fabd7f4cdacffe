"""Photos that look the same in different claims: pure grouping of what the hashes say."""

from collections.abc import Iterable, Mapping, Sequence

from jobs.reporting.content import DuplicateGroup, DuplicatePhoto

PHOTOS_PER_GROUP = 4


def hash_distance(first: int, second: int) -> int:
    """Bits in which two 64-bit hashes differ; signed or unsigned."""
    return ((first ^ second) & 0xFFFF_FFFF_FFFF_FFFF).bit_count()


def across_claims(first: Iterable[str], second: Iterable[str]) -> bool:
    """Whether one photo's claim differs from one of the other's, that is, whether the likeness spans claims."""
    one, other = set(first), set(second)
    return bool(one and other) and len(one | other) > 1


def pairs_across_claims(
    pairs: Iterable[tuple[int, int]],
    photos_by_hash: Mapping[int, Sequence[str]],
    claims: Mapping[str, Sequence[str]],
) -> list[tuple[str, str]]:
    """Pairs of different photos in different claims.

    Args:
        pairs: pairs of different hashes that are near each other.
        photos_by_hash: photo ids per hash; photos of one hash are near each other, too.
        claims: claim ids per photo.
    """
    found: set[tuple[str, str]] = set()
    for photos in photos_by_hash.values():
        found.update((first, second) for first in photos for second in photos if first < second)
    for left, right in pairs:
        for first in photos_by_hash.get(left, ()):
            for second in photos_by_hash.get(right, ()):
                if first != second:
                    found.add((min(first, second), max(first, second)))
    return sorted(pair for pair in found if across_claims(claims.get(pair[0], ()), claims.get(pair[1], ())))


def group_photos(
    pairs: Sequence[tuple[str, str]],
    hashes: Mapping[str, int],
    claims: Mapping[str, Sequence[str]],
) -> list[DuplicateGroup]:
    """Groups of photos that are linked by pairs, and photos that several claims share; most telling first.

    The very same file comes before a likeness, then the group with more claims, then the smaller distance. Distances
    are from the group's first photo, which is the one that most of its pairs name.
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
                hash_distance(hashes[photo], hashes[anchor]) if photo in hashes and anchor in hashes else 0,
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
