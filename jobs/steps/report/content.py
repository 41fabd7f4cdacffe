"""What the report's page shows, as plain data: gathered from the tables, or made by hand in a test."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

SECTIONS: Mapping[str, str] = {
    "processed": "What was processed",
    "failures": "What failed, and why",
    "classes": "Photos per damage class",
    "review": "Review queue",
    "mismatches": "Reported against seen",
    "duplicates": "Photos shared between claims",
    "map": "Map of the photos",
}
"""Section id -> heading, in the page's order."""


@dataclass(frozen=True)
class TableFigure:
    """One headline figure: a table's rows and what is worth knowing about them."""

    title: str
    rows: int
    note: str = ""


@dataclass(frozen=True)
class RunFigure:
    """One row of job_runs."""

    job: str
    status: str
    finished_at: datetime
    rows_in: int
    written: int
    skipped: int
    failed: int
    seconds: float
    per_second: float


@dataclass(frozen=True)
class FailureExample:
    """One failed file, or the id of a failed row where no file is known."""

    path: str
    detail: str = ""


@dataclass(frozen=True)
class FailureGroup:
    """All rows of one stage (photos or embeddings) that failed with one code."""

    stage: str
    code: str
    count: int
    explanation: str
    remedy: str
    examples: tuple[FailureExample, ...] = ()


@dataclass(frozen=True)
class Score:
    """A class's score, 0 to 1, and whether the photo carries it as a label."""

    name: str
    value: float
    chosen: bool = False


@dataclass(frozen=True)
class PhotoCard:
    """One photo with what the classifier made of it."""

    photo_id: str
    claim_ids: tuple[str, ...] = ()
    labels: tuple[str, ...] = ()
    severity: str | None = None
    part: str | None = None
    scores: tuple[Score, ...] = ()
    confidence: float | None = None
    margin: float | None = None
    decision: str | None = None
    why: str = ""


@dataclass(frozen=True)
class DamageClass:
    """One damage class: how many photos carry it, their severities, and its highest-scoring photos."""

    name: str
    photos: int
    for_review: int
    mean_score: float
    severities: Mapping[str, int] = field(default_factory=dict)
    cards: tuple[PhotoCard, ...] = ()


@dataclass(frozen=True)
class Mismatch:
    """A claim whose photos show another severity than was reported."""

    claim_id: str
    agreement: str
    reported: str | None
    expected: str | None
    seen: str | None
    damages: tuple[str, ...] = ()
    narrative: str = ""
    incident: str = ""
    amount: float | None = None
    photos: int = 0
    cards: tuple[PhotoCard, ...] = ()


@dataclass(frozen=True)
class DuplicatePhoto:
    """A photo of a group; `distance` is in bits of 64 from the group's first photo."""

    photo_id: str
    claim_ids: tuple[str, ...]
    distance: int = 0


@dataclass(frozen=True)
class DuplicateGroup:
    """Photos that look the same in several claims; a single photo when the very same file is in them."""

    photos: tuple[DuplicatePhoto, ...]
    claim_ids: tuple[str, ...]
    more: int = 0

    @property
    def same_file(self) -> bool:
        """Whether one file is shared, byte by byte."""
        return len(self.photos) == 1


@dataclass(frozen=True)
class MapPoint:
    """A photo on the map; x and y in 0 to 1, y downwards."""

    photo_id: str
    x: float
    y: float
    label: str
    severity: str | None = None
    claim_id: str | None = None


@dataclass(frozen=True)
class PhotoMap:
    """The embeddings of a sample of photos in two dimensions."""

    points: tuple[MapPoint, ...]
    total: int
    method: str
    coloured_by: str
    model_key: str


@dataclass(frozen=True)
class Totals:
    """How many there are of what the page shows a bounded part of."""

    review_queue: int = 0
    mismatched_claims: int = 0
    near_duplicate_pairs: int = 0
    shared_photos: int = 0
    duplicate_groups: int = 0
    classified: int = 0
    classes: int = 0


@dataclass(frozen=True)
class Content:
    """Everything on the page. `missing` says, per section id, what is not there and which job makes it."""

    generated_at: datetime
    place: str
    figures: tuple[TableFigure, ...] = ()
    runs: tuple[RunFigure, ...] = ()
    failures: tuple[FailureGroup, ...] = ()
    classes: tuple[DamageClass, ...] = ()
    review: tuple[PhotoCard, ...] = ()
    mismatches: tuple[Mismatch, ...] = ()
    duplicates: tuple[DuplicateGroup, ...] = ()
    photo_map: PhotoMap | None = None
    totals: Totals = Totals()
    duplicate_distance: int = 4
    notes: Mapping[str, str] = field(default_factory=dict)
    missing: Mapping[str, str] = field(default_factory=dict)
    keys: Mapping[str, str] = field(default_factory=dict)
    thumbnails: Mapping[str, bytes] = field(default_factory=dict)
    tiles: Mapping[str, bytes] = field(default_factory=dict)

    def shown_photos(self) -> list[str]:
        """Ids of the photos that the page shows, each once, in the page's order; not those of the map."""
        cards = [card for group in self.classes for card in group.cards]
        cards += self.review
        cards += [card for mismatch in self.mismatches for card in mismatch.cards]
        ids = [card.photo_id for card in cards]
        ids += [photo.photo_id for group in self.duplicates for photo in group.photos]
        return list(dict.fromkeys(ids))
