"""An index is followed where its state leads to the tables, and otherwise built anew with the reason."""

import dataclasses
from types import SimpleNamespace

import pytest

from jobs.index.protocol import Fingerprint
from jobs.index.state import DAMAGED, State
from jobs.steps.sync_index.reasons import reason_to_rebuild

IDS = {"claims": "id-1", "photos": "id-2"}
SAME = Fingerprint(3, 99)
STATE = State("model", {"claims": 5, "photos": 7}, IDS, "head", SAME, "12")


def reason(state=STATE, *, versions=None, ids=IDS, version="12", holds=SAME, damage=None):
    writer = SimpleNamespace(version=lambda: version, fingerprint=lambda: holds, damage=lambda: damage)
    pinned = SimpleNamespace(versions=versions or {"claims": 6, "photos": 7})
    return reason_to_rebuild(pinned, writer, state, ids)


def test_where_the_feeds_tell_all_there_is_none():
    assert reason() is None
    assert reason(version="13") is None, "what it holds is what its state says"
    assert reason(dataclasses.replace(STATE, unfinished="a run"), holds=Fingerprint(2, 1), version="13") is None


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"state": None}, "first sync"),
        ({"state": dataclasses.replace(STATE, versions={})}, "first sync"),
        ({"ids": {"claims": "id-9", "photos": "id-2"}}, "made anew since the last sync: claims"),
        ({"versions": {"claims": 6}}, "no longer there: photos"),
        ({"versions": {"claims": 4, "photos": 7}}, "older than at the last sync: claims"),
        ({"damage": "data/1.lance is missing"}, "the index is damaged: data/1.lance is missing"),
        ({"state": dataclasses.replace(STATE, unfinished=DAMAGED)}, "the last sync found"),
        ({"state": dataclasses.replace(STATE, unfinished="a run"), "damage": "cut"}, "the index is damaged: cut"),
        ({"version": None, "holds": Fingerprint(0, 0)}, "changed from outside: it holds 0 rows"),
        ({"version": "13", "holds": Fingerprint(3, 98)}, "changed from outside"),
    ],
)
def test_what_no_feed_leads_to_is_named(given, words):
    assert words in reason(**given)
