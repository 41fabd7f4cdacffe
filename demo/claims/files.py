"""Writes a folder of demo claims with photos, oddities of real life included.

`python -m demo.claims.files --output DIR --claims N --seed S`
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import logging
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

from PIL import Image

from demo.claims.claim_plan import MINIMUM_CLAIMS, DemoPlan, PlannedPhoto, plan_demo
from demo.drawing.render import render

LOGGER = logging.getLogger(__name__)
ORIENTATION, GPS, MAKE, MODEL, DATE_TIME = 0x0112, 0x8825, 0x010F, 0x0110, 0x0132
# What a viewer has to do for each orientation is undone in the stored pixels.
STORED = {
    3: Image.Transpose.ROTATE_180,
    6: Image.Transpose.ROTATE_90,
    8: Image.Transpose.ROTATE_270,
}
NOT_A_PHOTO = b"The photos are on the phone of my brother-in-law, I will send them next week.\n"


@dataclass(frozen=True)
class DemoSummary:
    """What a demo holds, counted in files and claims."""

    claims: int
    photos: int
    sideways: int
    duplicates: int
    near_duplicates: int
    truncated: int
    empty: int
    not_images: int
    png: int
    webp: int
    claims_without_photo: int
    photos_without_claim: int
    mismatched_claims: int


def write_demo(directory: Path, *, claims: int = 120, seed: int = 1) -> DemoSummary:
    """Writes photos/<claim>/<n>.jpg, claims.json, photo_metadata.csv and truth.json; same seed, same bytes.

    Raises ValueError when there are too few claims to hold every oddity.
    """
    plan = plan_demo(claims=claims, seed=seed)
    directory.mkdir(parents=True, exist_ok=True)
    written: dict[str, bytes] = {}
    for photo in plan.photos:
        content = _content(photo, written)
        written[photo.path] = content
        target = directory / "photos" / photo.path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content)
    _write_json(directory / "claims.json", [claim.record for claim in plan.claims])
    _write_json(directory / "truth.json", _truth(plan))
    with (directory / "photo_metadata.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["image_name", "image_id", "claim_no", "chassis_no"])
        for number, photo in enumerate(plan.photos, start=1):
            writer.writerow([photo.path, number, photo.claim_no, photo.chassis_no])
    return _summary(plan)


def _content(photo: PlannedPhoto, written: dict[str, bytes]) -> bytes:
    """The bytes of one file; copies come from what is already written."""
    if photo.kind == "empty":
        return b""
    if photo.kind == "not_image":
        return NOT_A_PHOTO
    if photo.source:
        original = written[photo.source]
        return original if photo.kind == "duplicate" else _again(original)
    if photo.scene is None:
        raise ValueError(f"photo {photo.path} has neither a scene nor a source")
    picture = render(photo.scene).image
    if photo.kind in ("png", "webp"):
        return _encoded(picture, photo.kind.upper(), quality=85)
    exif = _exif(photo)
    if photo.kind == "sideways":
        exif[ORIENTATION] = photo.orientation
        picture = picture.transpose(STORED[photo.orientation])
    content = _encoded(picture, "JPEG", quality=88, exif=exif)
    return content[: len(content) * 2 // 5] if photo.kind == "truncated" else content


def _again(original: bytes) -> bytes:
    """The same photo as another program saves it: a pixel narrower all around, compressed again."""
    picture = Image.open(io.BytesIO(original)).convert("RGB")
    cropped = picture.crop((1, 1, picture.width - 1, picture.height - 1))
    return _encoded(cropped, "JPEG", quality=74)


def _encoded(picture: Image.Image, image_format: str, *, quality: int, exif: Image.Exif | None = None) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, image_format, quality=quality, **({"exif": exif} if exif else {}))
    return buffer.getvalue()


def _exif(photo: PlannedPhoto) -> Image.Exif:
    """What a phone writes into a photo, its place included; none of it may reach a table."""
    exif = Image.Exif()
    exif[MAKE], exif[MODEL], exif[DATE_TIME] = "Demo", "Telephone 7", photo.taken_at
    latitude, longitude = photo.place
    exif.get_ifd(GPS).update(
        {1: "N", 2: _degrees(latitude), 3: "E", 4: _degrees(longitude)},
    )
    return exif


def _degrees(value: float) -> tuple[float, float, float]:
    whole = int(value)
    minutes = int((value - whole) * 60)
    return float(whole), float(minutes), round(((value - whole) * 60 - minutes) * 60, 2)


def _truth(plan: DemoPlan) -> dict[str, object]:
    return {
        "claims": {claim.claim_no: claim.truth for claim in plan.claims},
        "photos": {
            photo.path: {
                "claim_no": photo.claim_no,
                "kind": photo.kind,
                "source": photo.source,
                "scene": photo.scene.as_dict() if photo.scene else None,
            }
            for photo in plan.photos
        },
    }


def _write_json(path: Path, value: object) -> None:
    path.write_text(json.dumps(value, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _summary(plan: DemoPlan) -> DemoSummary:
    kinds = [photo.kind for photo in plan.photos]
    known = {claim.claim_no for claim in plan.claims}
    shown = {photo.claim_no for photo in plan.photos}
    return DemoSummary(
        claims=len(plan.claims),
        photos=len(plan.photos),
        sideways=kinds.count("sideways"),
        duplicates=kinds.count("duplicate"),
        near_duplicates=kinds.count("near_duplicate"),
        truncated=kinds.count("truncated"),
        empty=kinds.count("empty"),
        not_images=kinds.count("not_image"),
        png=kinds.count("png"),
        webp=kinds.count("webp"),
        claims_without_photo=len(known - shown),
        photos_without_claim=sum(photo.claim_no not in known for photo in plan.photos),
        mismatched_claims=sum(bool(claim.truth["mismatch"]) for claim in plan.claims),
    )


def main() -> None:
    """Writes a demo and prints what it holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--claims", type=int, default=120, help=f"at least {MINIMUM_CLAIMS}")
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    summary = write_demo(options.output, claims=options.claims, seed=options.seed)
    sys.stdout.write(json.dumps(asdict(summary), indent=1) + "\n")


if __name__ == "__main__":
    main()
