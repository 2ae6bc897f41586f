"""The data card of the bundled events is what its numbers say."""

import json

from anode import io
from anode.evaluation.description.generated_data import GeneratedData
from anode.pipeline.datasets.card import BY_HAND, _by_hand
from anode.reporting.dataset.generated_card import card_text
from helpers.settings import REPOSITORY


def test_the_card_of_the_bundled_events_makes_its_page_again():
    path = REPOSITORY / "data" / "card.json"
    card = GeneratedData.from_json(io.read_json(path), path)
    assert json.dumps(card.to_json(), indent=2) + "\n" == path.read_text()
    page = path.with_name("README.md")
    assert card_text(card) + _by_hand(page) == page.read_text()
    assert "# anode_particles.h5" in _by_hand(page)
    assert card.samples["signal"].label == 1
    assert card.comparison["full_range"]["background"].n_generated == 500_000


def test_what_is_written_by_hand_below_a_card_stays(tmp_path):
    page = tmp_path / "README.md"
    assert _by_hand(page) == ""
    page.write_text("# card\n")
    assert _by_hand(page) == ""
    page.write_text(f"# card\n\n{BY_HAND}\n\n# more\n")
    assert "# new\n" + _by_hand(page) == f"# new\n\n{BY_HAND}\n\n# more\n"
