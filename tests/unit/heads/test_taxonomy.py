"""A taxonomy is read completely or refused in one line that says where and how to mend it."""

import pytest

from tests.unit.heads.concepts import TAXONOMY, small_taxonomy
from udfs.errors import TaxonomyError
from udfs.heads.severity import SEVERITIES
from udfs.heads.taxonomy import taxonomy_key
from udfs.heads.taxonomy_file import load_taxonomy, shipped_taxonomies


def test_every_shipped_taxonomy_loads_with_severities_and_a_part():
    assert set(shipped_taxonomies()) >= {"vehicle", "property"}
    for name in shipped_taxonomies():
        taxonomy = load_taxonomy(name)
        assert taxonomy.name == name
        assert {entry.name for entry in taxonomy.facet("severity").classes} == set(SEVERITIES)
        assert taxonomy.facet("part") is not None
        assert taxonomy.none_class == "none"
        assert all(entry.contrast for entry in taxonomy.label_facet.scored_classes)


def test_a_file_is_read_with_thresholds_and_contrasts_resolved(tmp_path):
    path = tmp_path / "mine.yaml"
    path.write_text(TAXONOMY, encoding="utf-8")
    dent, crack = load_taxonomy(str(path)).label_facet.scored_classes
    assert (dent.threshold, dent.contrast) == (0.5, ("no dent",))
    assert (crack.threshold, crack.contrast) == (0.7, ("intact",))


def test_the_prompts_of_the_none_class_are_the_contrast_where_none_is_written():
    taxonomy = small_taxonomy(TAXONOMY.replace("    contrast: [intact]\n", ""))
    assert taxonomy.label_facet.scored_classes[1].contrast == ("nothing broken",)


SEVERITY_RENAMED = TAXONOMY.replace("name: moderate", "name: medium")
MISTAKES = {
    "unknown facet key": (
        TAXONOMY.replace("threshold: 0.5", "treshold: 0.5"),
        ["facet damage", "treshold", "threshold"],
    ),
    "unknown class key": (
        TAXONOMY.replace("prompts: [a crack]", "prompt: [a crack]"),
        ["class crack", "did you mean prompts"],
    ),
    "unknown top key": (TAXONOMY.replace("version: 1", "versions: 1"), ["versions", "did you mean version"]),
    "kind": (TAXONOMY.replace("kind: multi_label", "kind: multilabel"), ["facet damage", "did you mean multi_label"]),
    "severity names": (SEVERITY_RENAMED, ["facet severity", "exactly minor, moderate, severe", "medium"]),
    "none class": (TAXONOMY.replace("none_class: none", "none_class: nune"), ["nune", "did you mean none"]),
    "threshold": (TAXONOMY.replace("threshold: 0.7", "threshold: 1.0"), ["class crack", "between 0 and 1", "1"]),
    "threshold range": (TAXONOMY.replace("threshold: 0.7", "threshold: 70"), ["class crack", "from 0 to 1", "70"]),
    "threshold type": (TAXONOMY.replace("threshold: 0.7", "threshold: high"), ["class crack", "a number", "high"]),
    "no prompts": (
        TAXONOMY.replace("{name: minor, prompts: [slight]}", "{name: minor}"),
        ["class minor", "prompts is missing"],
    ),
    "prompts text": (TAXONOMY.replace("prompts: [slight]", "prompts: slight"), ["class minor", "list of sentences"]),
    "prompt repeated": (TAXONOMY.replace("[a dent, dents]", "[a dent, a dent]"), ["class dent", "twice"]),
    "class repeated": (TAXONOMY.replace("name: rear", "name: front"), ["facet part", "class 'front'", "twice"]),
    "facet repeated": (TAXONOMY.replace("name: part", "name: severity"), ["facet severity", "classes must be exactly"]),
    "key repeated": (
        TAXONOMY.replace("version: 1", "version: 1\nname: again"),
        ["small.yaml, line", "'name'", "twice"],
    ),
    "yaml boolean": (TAXONOMY.replace("name: front", "name: no"), ["facet part", "False", "quotes"]),
    "slash": (TAXONOMY.replace("name: front", "name: front/left"), ["front/left", "letters"]),
    "when": (TAXONOMY.replace("when: damaged", "when: broken"), ["facet severity", "broken", "damaged"]),
    "temperature": (TAXONOMY.replace("temperature: 20", "temperature: 0"), ["facet part", "above 0"]),
    "review": (
        TAXONOMY.replace("minimum_margin: 0.1", "minimal_margin: 0.1"),
        ["review", "did you mean minimum_margin"],
    ),
    "no multi-label": (
        TAXONOMY.split("  - name: severity")[0].replace("damage", "x").split("facets:")[0]
        + "facets:\n  - name: part\n    kind: single_label\n    classes:\n"
        "      - {name: a, prompts: [a]}\n      - {name: b, prompts: [b]}\n",
        ["multi_label", "found none"],
    ),
    "threshold of a choice": (
        TAXONOMY.replace("{name: front,", "{name: front, threshold: 0.5,"),
        ["class front", "remove it"],
    ),
    "same contrast": (TAXONOMY.replace("contrast: [no dent]", "contrast: [dents, a dent]"), ["class dent", "opposite"]),
    "not a mapping": ("- a list", ["small.yaml", "must be a mapping", "list"]),
    "broken yaml": ("name: [", ["small.yaml, line"]),
    "empty": ("", ["small.yaml", "nothing"]),
}


@pytest.mark.parametrize(("text", "words"), MISTAKES.values(), ids=MISTAKES)
def test_a_mistake_is_named_in_one_line_with_the_place_and_the_fix(text, words):
    with pytest.raises(TaxonomyError) as caught:
        small_taxonomy(text)
    message = str(caught.value)
    assert message.startswith("small.yaml")
    assert "\n" not in message
    for word in words:
        assert word in message


def test_an_unknown_name_or_file_says_what_there_is(tmp_path):
    with pytest.raises(TaxonomyError, match="did you mean vehicle"):
        load_taxonomy("vehicles")
    with pytest.raises(TaxonomyError, match="no such file"):
        load_taxonomy(str(tmp_path / "absent.yaml"))


def test_the_key_follows_what_decides_predictions_and_nothing_else():
    original = taxonomy_key(small_taxonomy())
    same = TAXONOMY.replace("name: small\nversion: 1", "# a comment\nversion: 7\ndescription: words\nname: other")
    same = same.replace("[a dent, dents]", "[dents, a dent]")
    same = same.replace("{name: front, prompts: [the front]}", "{prompts: [the front], name: front, description: it}")
    assert taxonomy_key(small_taxonomy(same)) == original
    changes = {
        "threshold: 0.7": "threshold: 0.71",
        "[a crack]": "[a crack, a deep crack]",
        "[no dent]": "[not a dent]",
        "name: crack": "name: cracks",
        "temperature: 20": "temperature: 21",
        "minimum_margin: 0.1": "minimum_margin: 0.2",
        "    when: damaged\n    temperature": "    temperature",
    }
    keys = {taxonomy_key(small_taxonomy(TAXONOMY.replace(old, new))) for old, new in changes.items()}
    assert len(keys | {original}) == len(changes) + 1
