"""Content as a real run would give it, made by hand: for the page's tests, and for looking at the page."""

import hashlib
import io
from datetime import UTC, datetime, timedelta

import numpy as np
from PIL import Image

from jobs.steps.report.content import (
    Content,
    DamageClass,
    DuplicateGroup,
    DuplicatePhoto,
    FailureExample,
    FailureGroup,
    MapPoint,
    Mismatch,
    PhotoCard,
    PhotoMap,
    RunFigure,
    Score,
    TableFigure,
    Totals,
)
from jobs.steps.report.figures import TILE
from jobs.steps.report.thumbnails import THUMBNAIL_BYTES, THUMBNAIL_SIDE
from udfs.images.thumbnail import thumbnail, tile
from udfs.outcome import explain

NOW = datetime(2026, 3, 14, 2, 31, tzinfo=UTC)
CLASSES = ("scratch", "dent", "crack", "glass shatter", "lamp broken", "tire flat", "none")
SEVERITIES = ("minor", "moderate", "severe")


def photo_id_of(number: int) -> str:
    """The id of the number-th sample photo."""
    return hashlib.sha256(str(number).encode()).hexdigest()


def plain_photo(number: int) -> bytes:
    """A JPEG that differs from photo to photo."""
    pixels = np.random.default_rng(number).integers(0, 255, (6, 8, 3), np.uint8)
    buffer = io.BytesIO()
    Image.fromarray(pixels).resize((320, 240)).save(buffer, "JPEG")
    return buffer.getvalue()


def sample_card(number: int, label: str = "dent", *, why: str = "") -> PhotoCard:
    """A classified photo."""
    best = round(0.98 - number % 9 * 0.04, 2)
    others = [name for name in CLASSES if name not in (label, "none")][:2]
    return PhotoCard(
        photo_id_of(number),
        (f"CLM-{20400 + number}",),
        (label,),
        None if label == "none" else SEVERITIES[number % 3],
        None if label == "none" else ("door", "front", "rear", "wheel")[number % 4],
        (
            Score(label, best, True),
            *(Score(name, round(0.31 - 0.1 * place, 2)) for place, name in enumerate(others)),
        ),
        best,
        round(0.01 + number % 9 * 0.012, 3) if why else 0.62,
        "review" if why else "accepted",
        why,
    )


def sample_content(photo=plain_photo, *, per_class: int = 8, points: int = 600) -> Content:
    """A full page's content; `photo` gives the JPEG of the number-th photo."""
    classes = tuple(
        DamageClass(
            name,
            310 - 38 * place,
            21 - 2 * place,
            0.91 - 0.03 * place,
            {} if name == "none" else {"minor": 120 - 9 * place, "moderate": 90 - 9 * place, "severe": 60},
            tuple(sample_card(8 * place + offset, name) for offset in range(per_class)),
        )
        for place, name in enumerate(CLASSES)
    )
    review = tuple(
        sample_card(100 + number, CLASSES[number % 6], why="severity: moderate (0.46) or minor (0.44)")
        for number in range(8)
    )
    mismatches = tuple(
        Mismatch(
            f"CLM-{20900 + number}",
            "seen_worse" if number < 3 else "seen_milder",
            "Trivial Damage" if number < 3 else "Major Damage",
            "minor" if number < 3 else "severe",
            "severe" if number < 3 else "minor",
            ("dent", "glass shatter"),
            "I was reversing out of a parking space at the supermarket when another car came round the corner. "
            "Only a small mark on the bumper.",
            "Parked Car, 2026-02-11",
            4180.0 + 900 * number,
            3,
            tuple(sample_card(120 + 3 * number + offset, "dent") for offset in range(3)),
        )
        for number in range(4)
    )
    duplicates = (
        DuplicateGroup((DuplicatePhoto(photo_id_of(140), ("CLM-20411", "CLM-20977")),), ("CLM-20411", "CLM-20977")),
        DuplicateGroup(
            (
                DuplicatePhoto(photo_id_of(141), ("CLM-20455",)),
                DuplicatePhoto(photo_id_of(142), ("CLM-20831",), 2),
            ),
            ("CLM-20455", "CLM-20831"),
        ),
        DuplicateGroup(
            (
                DuplicatePhoto(photo_id_of(143), ("CLM-20502",)),
                DuplicatePhoto(photo_id_of(144), ("CLM-20503",), 0),
                DuplicatePhoto(photo_id_of(145), ("CLM-20717",), 4),
            ),
            ("CLM-20502", "CLM-20503", "CLM-20717"),
        ),
    )
    generator = np.random.default_rng(3)
    centres = generator.uniform(0.15, 0.85, (len(CLASSES), 2))
    placed = [
        (place % len(CLASSES), generator.normal(centres[place % len(CLASSES)], 0.07).clip(0, 1))
        for place in range(points)
    ]
    photo_map = PhotoMap(
        tuple(
            MapPoint(
                photo_id_of(number % 146),
                float(at[0]),
                float(at[1]),
                CLASSES[kind],
                SEVERITIES[number % 3],
                f"CLM-{20400 + number}",
            )
            for number, (kind, at) in enumerate(placed)
        ),
        8412,
        "t-SNE",
        "the damage class with the highest score",
        "m5d1c02ffab9",
    )
    shown = {photo_id_of(number): photo(number) for number in range(146)}
    return Content(
        generated_at=NOW,
        place="databricks",
        figures=(
            TableFigure("Claims", 3120, "41 without a photo"),
            TableFigure("Photo files", 8655, "8,447 distinct photos"),
            TableFigure("Usable photos", 8412, "35 failed, 112 without a claim"),
            TableFigure("Photo vectors", 8412, "3,120 passage vectors"),
            TableFigure("Classified photos", 8412, "214 for review"),
            TableFigure("Assessed claims", 3120, "126 disagree with the report"),
            TableFigure("Indexed rows", 11532, "in 1 index"),
        ),
        runs=tuple(
            RunFigure(
                job,
                "failed" if job == "sync-index" else "done",
                NOW - timedelta(minutes=4 * place),
                8447,
                1200 - 90 * place,
                7000,
                35 if place > 3 else 0,
                74.2 / (place + 1),
                412.5 / (place + 1),
            )
            for place, job in enumerate(("sync-index", "assess", "classify", "embed", "ingest"))
        ),
        failures=tuple(
            FailureGroup(
                "photos",
                code,
                count,
                *explain(code),
                (
                    FailureExample(f"/Volumes/claims/raw/photos/2026-02/CLM-{count}/IMG_{count}.jpg", detail),
                    FailureExample(f"/Volumes/claims/raw/photos/2026-02/CLM-{count}/IMG_{count + 1}.jpg", ""),
                ),
            )
            for code, count, detail in (
                ("truncated", 21, "stops after 48,231 of 210,554 bytes"),
                ("not_an_image", 9, "starts with %PDF-1.7"),
                ("empty", 4, ""),
                ("too_many_pixels", 1, "40,000 x 30,000 pixels"),
            )
        ),
        classes=classes,
        review=review,
        mismatches=mismatches,
        duplicates=duplicates,
        photo_map=photo_map,
        totals=Totals(214, 126, 17, 6, 19, 8412, len(classes)),
        keys={"model": "m5d1c02ffab9", "head": "h77ab1409c2e", "taxonomy": "vehicle"},
        thumbnails={
            photo_id: small
            for photo_id, data in shown.items()
            if (small := thumbnail(data, THUMBNAIL_SIDE, THUMBNAIL_BYTES))
        },
        tiles={photo_id: small for photo_id, data in shown.items() if (small := tile(data, TILE))},
    )
