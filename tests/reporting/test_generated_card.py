"""The data card of the bundled events is what its numbers say."""

import json

from anode import io
from anode.evaluation.description.generated_data import GeneratedData
from anode.reporting.dataset.generated_card import card_text
from helpers.settings import REPOSITORY


def test_the_card_of_the_bundled_events_makes_its_page_again():
    path = REPOSITORY / "data" / "card.json"
    card = GeneratedData.from_json(io.read_json(path), path)
    assert json.dumps(card.to_json(), indent=2) + "\n" == path.read_text()
    assert card_text(card) == path.with_name("README.md").read_text()
    assert card.samples["signal"].label == 1
    assert card.comparison["full_range"]["background"].n_generated == 500_000
