"""Trains the demo's dual encoder from scratch: `python -m demo.training.train --output DIR`."""

from __future__ import annotations

import argparse
import logging
from pathlib import Path

import torch

from demo.training.corpus import language_of, photos_of
from demo.training.model_files import build_model, save
from demo.training.train_language import look, train_language
from demo.training.train_vision import train_vision

LOGGER = logging.getLogger(__name__)
VIEWS = 3


def main() -> None:
    """Renders photos, teaches seeing, then naming, and saves; `python -m demo.training.evaluate` measures."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--output", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--photos", type=int, default=20_000)
    parser.add_argument("--minutes", type=float, default=22.0, help="of the vision tower's training, on idle cores")
    parser.add_argument("--steps", type=int, default=3_000, help="of the text tower's training")
    parser.add_argument("--processes", type=int, default=2, help="one for each core to use")
    parser.add_argument("--work", type=Path, help="keep photos and vision tower here; a later run takes them up")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(message)s")
    kept = options.work / f"photos-{options.seed}-{options.photos}.npz" if options.work else None
    photos = photos_of(options.seed, options.photos, kept)
    language = language_of(photos, options.seed)
    torch.manual_seed(options.seed)
    model = build_model(len(language.tokenizer))
    seen = options.work / f"vision-{options.seed}-{options.photos}.pt" if options.work else None
    if seen and seen.exists():
        LOGGER.info("took up the vision tower of %s", seen)
        model.vision_model.load_state_dict(torch.load(seen, weights_only=True))
    else:
        train_vision(model, photos, seed=options.seed, minutes=options.minutes, processes=options.processes)
        if seen:
            torch.save(model.vision_model.state_dict(), seen)
    model.eval()
    torch.set_num_threads(options.processes)
    sights = look(model, photos, views=VIEWS, seed=options.seed)
    train_language(model, sights, language, seed=options.seed, steps=options.steps)
    save(model, language.tokenizer, options.output)
    LOGGER.info("saved to %s", options.output)


if __name__ == "__main__":
    main()
