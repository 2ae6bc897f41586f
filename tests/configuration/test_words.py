"""Values behind ``key=`` come back from Hydra as they were."""

import pytest

from anode.configuration.composition import as_word, compose


@pytest.mark.parametrize(
    "text",
    [
        "a=b c",
        "it's",
        'q"x',
        "a\\b",
        "a\\\\b",
        "a\\",
        "a\\'b",
        "${x}",
        "a\\${x}",
        "a,b",
        "[x]",
        "null",
        "1",
        "",
        "~x",
    ],
)
def test_a_text_is_read_back_as_it_was(text):
    assert compose("dark_search", [f"output={as_word(text)}"])["output"] == text


@pytest.mark.parametrize("value", [True, False, 3, 2.5, -1e-6])
def test_so_are_numbers_and_flags(value):
    assert compose("dark_search", [f"+data.extra={as_word(value)}"])["data"]["extra"] == value
