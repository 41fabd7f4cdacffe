"""What a claim's photos show against what was reported: severity order, agreement, reasons for a review."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from udfs.errors import SettingsError
from udfs.heads.severity import LEVELS, NOTHING, SEVERITIES

RULE = 2
"""Version of assess_claim: to be raised with every change of what it says, so that all claims are assessed anew."""


class Agreement(StrEnum):
    """The worst severity that was seen, against the reported one."""

    AGREES = "agrees"
    SEEN_WORSE = "seen_worse"
    SEEN_MILDER = "seen_milder"
    NOT_COMPARABLE = "not_comparable"


class ReviewReason(StrEnum):
    """Why a person should look at a claim: the closed list of claim_assessments.review_reasons."""

    SEVERITY_MISMATCH = "severity_mismatch"
    NOTHING_SEEN_BUT_REPORTED = "nothing_seen_but_reported"
    NO_PHOTO = "no_photo"
    NO_USABLE_PHOTO = "no_usable_photo"
    NOT_CLASSIFIED = "not_classified"
    UNCERTAIN_PREDICTION = "uncertain_prediction"
    PHOTO_SHARED_WITH_OTHER_CLAIMS = "photo_shared_with_other_claims"


@dataclass(frozen=True)
class Evidence:
    """What is known of one claim.

    `photos` are linked to it, `photos_unusable` of these failed, `photos_classified` have a prediction.
    `worst_level` indexes LEVELS: the worst of the classified photos, None without any. `worst_accepted`: a
    photo of that level has the decision accepted. `any_review`: a photo has the decision review. `shared`: a
    photo of the claim is linked to another claim too.
    """

    reported_severity: str | None
    photos: int = 0
    photos_unusable: int = 0
    photos_classified: int = 0
    worst_level: int | None = None
    worst_accepted: bool = False
    any_review: bool = False
    shared: bool = False


@dataclass(frozen=True)
class Assessment:
    """The verdict on one claim. A claim goes to review exactly when there is a reason."""

    worst_severity: str | None
    expected_severity: str | None
    agreement: Agreement
    review_reasons: tuple[ReviewReason, ...]


def normalised_severity_map(severity_map: Mapping[str, str]) -> dict[str, str]:
    """Reported words, in lower case without outer blanks, to none, minor, moderate or severe.

    Raises:
        SettingsError: a word maps to something else, or two spellings of a word to different severities.
    """
    known = (NOTHING, *SEVERITIES)
    normalised: dict[str, str] = {}
    for word, severity in severity_map.items():
        if severity not in known:
            raise SettingsError(
                f"assess.severity_map: {word!r} maps to {severity!r}; map it to one of {', '.join(known)}."
            )
        if normalised.setdefault(_normalised(word), severity) != severity:
            raise SettingsError(f"assess.severity_map: {word!r} has two different severities; keep one.")
    return normalised


def assess_claim(evidence: Evidence, severities: Mapping[str, str]) -> Assessment:
    """Compare what was seen with what was reported, and say why a person should look.

    Agreement needs a reported severity that `severities` (see normalised_severity_map) knows, and a severity
    that was seen; seeing no damage at all counts as milder than every reported damage.

    A finding is uncertain when it rests on predictions for review. Where damage was seen, it rests on the photos
    of the worst level: one accepted photo of that level settles it, and an uncertain photo of a milder level is
    left aside, as its own best guess would not raise the claim. Where no damage was seen, it rests on every
    photo, for each may show a side that the others do not.
    """
    worst = evidence.worst_level
    seen = None if worst is None else LEVELS[worst]
    expected = severities.get(_normalised(evidence.reported_severity or ""))
    agreement = _agreement(seen, expected)
    reasons: list[ReviewReason] = []
    if agreement in (Agreement.SEEN_WORSE, Agreement.SEEN_MILDER):
        nothing = seen == NOTHING
        reasons.append(ReviewReason.NOTHING_SEEN_BUT_REPORTED if nothing else ReviewReason.SEVERITY_MISMATCH)
    if evidence.photos == 0:
        reasons.append(ReviewReason.NO_PHOTO)
    elif evidence.photos_unusable == evidence.photos:
        reasons.append(ReviewReason.NO_USABLE_PHOTO)
    elif worst is None:
        reasons.append(ReviewReason.NOT_CLASSIFIED)
    elif evidence.any_review if seen == NOTHING else not evidence.worst_accepted:
        reasons.append(ReviewReason.UNCERTAIN_PREDICTION)
    if evidence.shared:
        reasons.append(ReviewReason.PHOTO_SHARED_WITH_OTHER_CLAIMS)
    return Assessment(seen if seen in SEVERITIES else None, expected, agreement, tuple(reasons))


def _agreement(seen: str | None, expected: str | None) -> Agreement:
    if seen is None or expected is None:
        return Agreement.NOT_COMPARABLE
    if seen == "damaged":
        # Damage of untold severity says something only against a report of none.
        return Agreement.SEEN_WORSE if expected == NOTHING else Agreement.NOT_COMPARABLE
    difference = LEVELS.index(seen) - LEVELS.index(expected)
    if difference == 0:
        return Agreement.AGREES
    return Agreement.SEEN_WORSE if difference > 0 else Agreement.SEEN_MILDER


def _normalised(word: str) -> str:
    return " ".join(word.split()).casefold()
