"""The demo model that ships: small, safe to load, and as good as promised on photos it never saw."""

import pytest

from demo.training.evaluate import MODEL, load, measure, photo_files, unseen_scenes
from udfs.heads.taxonomy_file import load_taxonomy

LARGEST = 6 * 1024 * 1024


def test_the_model_is_small_and_holds_no_pickle():
    files = [path for path in MODEL.rglob("*") if path.is_file()]
    assert sum(path.stat().st_size for path in files) <= LARGEST
    assert [path.name for path in files if path.suffix == ".safetensors"] == ["model.safetensors"]
    assert {path.suffix for path in files} == {".json", ".safetensors", ".md"}


def test_transformers_loads_it_by_itself():
    from transformers import AutoImageProcessor, AutoModel, AutoTokenizer, CLIPModel

    assert isinstance(AutoModel.from_pretrained(MODEL, local_files_only=True), CLIPModel)
    tokens = AutoTokenizer.from_pretrained(MODEL, local_files_only=True)(["A DENT zyzzyva", "a dent"])
    assert set(tokens) == {"input_ids", "attention_mask"}
    assert tokens["input_ids"][0][1:3] == tokens["input_ids"][1][1:3]
    assert AutoImageProcessor.from_pretrained(MODEL, local_files_only=True, backend="pil") is not None


@pytest.mark.parametrize("name", ["vehicle", "property"])
def test_the_shipped_taxonomies_are_valid(name):
    taxonomy = load_taxonomy(name)
    assert taxonomy.none_class == "none"
    assert {facet.name for facet in taxonomy.facets} == {"damage", "severity", "part"}


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_figures_hold_on_a_thousand_photos_it_never_saw(capsys):
    # Half the width of a demo photo renders in a quarter of the time; the card states the figures of both sizes.
    scenes = unseen_scenes(1_000)
    figures = measure(load(MODEL), scenes, photo_files(scenes, width=320), sentences=200)
    with capsys.disabled():
        print(  # noqa: T201 - chance has to stand beside the hit rate
            f"\nmacro-F1 {figures.macro_f1:.3f}; a true photo among the first 10 for {figures.hit_at_10:.1%} "
            f"of {figures.sentences} sentences (chance {figures.chance_at_10:.1%})"
        )
    assert figures.sentences == 200
    assert figures.macro_f1 >= 0.85
    assert figures.hit_at_10 >= 0.90
    assert figures.chance_at_10 < 0.5
