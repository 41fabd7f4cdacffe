"""Photos that look the same in different claims: pure grouping of what the hashes say."""

from collections.abc import Callable, Iterable, Mapping, Sequence
from heapq import heapify, heappop, heappush
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
    """Groups around one photo each, of photos that look like that one; and photos that several claims share.

    Everything in a group is paired with its first photo. Chains, in which the last photo no longer looks like the
    first, would put strangers into one group. The photo with the most pairs begins, and every photo of a pair is shown
    at least once; one may stand in two groups. The very same file comes before a likeness, then the group with more
    claims, then the smaller distance.
    """
    near: dict[str, set[str]] = {}
    for first, second in pairs:
        near.setdefault(first, set()).add(second)
        near.setdefault(second, set()).add(first)

    def distance(photo: str, other: str) -> int:
        return hamming_distance(hashes[photo], hashes[other]) if photo in hashes and other in hashes else 0

    groups: list[DuplicateGroup] = []
    shown: set[str] = set()
    # Counts only fall as photos are shown, so that an outdated one is put back with its count of now.
    waiting = [(-len(others), photo) for photo, others in near.items()]
    heapify(waiting)
    while waiting:
        count, photo = heappop(waiting)
        if photo in shown:
            continue
        unseen = near[photo] - shown
        if len(unseen) < -count:
            heappush(waiting, (-len(unseen), photo))
            continue
        members = unseen or {min(near[photo], key=lambda other: (distance(photo, other), other))}
        shown |= {photo, *members}
        groups.append(_group(photo, members, claims, distance))
    alone = (photo for photo, claim_ids in claims.items() if len(set(claim_ids)) > 1 and photo not in near)
    groups += [_group(photo, (), claims, distance) for photo in alone]
    return sorted(groups, key=_order)


def _group(
    anchor: str,
    others: Iterable[str],
    claims: Mapping[str, Sequence[str]],
    distance: Callable[[str, str], int],
) -> DuplicateGroup:
    listed = [
        DuplicatePhoto(photo, tuple(sorted(set(claims.get(photo, ())))), distance(anchor, photo))
        for photo in (anchor, *sorted(others, key=lambda other: (distance(anchor, other), other)))
    ]
    every_claim = tuple(sorted({claim for photo in listed for claim in photo.claim_ids}))
    shown = tuple(listed[:PHOTOS_PER_GROUP])
    return DuplicateGroup(shown, every_claim, len(listed) - len(shown))


def _order(group: DuplicateGroup) -> tuple[bool, int, int, str]:
    nearest = min((photo.distance for photo in group.photos[1:]), default=0)
    return (not group.same_file, -len(group.claim_ids), nearest, group.photos[0].photo_id)
