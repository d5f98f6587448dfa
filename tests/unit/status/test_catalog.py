"""The catalog: every code has its texts, and they are found by its number."""

from __future__ import annotations

import re

import pytest

from engine.errors import UsageError
from engine.status.catalog import MEANINGS
from engine.status.codes import Code
from engine.status.explain import codes_document, explanation_of, find_code, heading_of
from engine.status.views import HealthWord, Severity

HUNDREDS = {
    "1": {HealthWord.OK, HealthWord.DEGRADED},
    "2": {HealthWord.OK, HealthWord.DEGRADED, HealthWord.AT_RISK},
    "3": {HealthWord.AT_RISK},
    "4": {HealthWord.DATA_LOSS},
    "5": {HealthWord.OK},
}


def test_every_code_has_a_meaning_and_they_go_from_worst_to_well() -> None:
    words = [list(HealthWord).index(one.word) for one in MEANINGS.values()]

    assert set(MEANINGS) == set(Code)
    assert words == sorted(words, reverse=True)
    assert list(MEANINGS)[-1] is Code.ALL_WELL


@pytest.mark.parametrize("code", Code)
def test_every_text_is_whole_sentences_that_fit_a_screen(code: Code) -> None:
    for heading, text in explanation_of(code):
        assert re.fullmatch(r"[A-Z].{3,240}\.", text), (heading, text)
    assert not MEANINGS[code].title.endswith(".")


@pytest.mark.parametrize("code", [one for one in Code if one is not Code.ALL_WELL])
def test_the_first_digit_of_a_code_agrees_with_its_word(code: Code) -> None:
    assert re.fullmatch(r"DFS-\d{4}", code)
    assert MEANINGS[code].word in HUNDREDS[code[4]]


def test_what_loses_data_or_stops_writing_is_loud() -> None:
    quiet = [
        code
        for code, meaning in MEANINGS.items()
        if meaning.word in (HealthWord.AT_RISK, HealthWord.DATA_LOSS)
        and meaning.severity not in (Severity.ERROR, Severity.CRITICAL)
    ]

    assert quiet == []


@pytest.mark.parametrize("text", ["DFS-1203", "dfs-1203", "1203", " 1203 "])
def test_a_code_is_found_however_it_is_typed(text: str) -> None:
    assert find_code(text) is Code.DISK_SMART


@pytest.mark.parametrize(
    ("text", "nearest"), [("DFS-1299", "DFS-1204"), ("4444", "DFS-4002"), ("DFS-", "DFS-0000")]
)
def test_an_unknown_code_is_refused_with_the_nearest(text: str, nearest: str) -> None:
    with pytest.raises(UsageError, match=nearest):
        find_code(text)


def test_the_document_has_every_code_with_its_four_texts() -> None:
    document = codes_document()

    for code in Code:
        assert f"## {heading_of(code)}\n" in document
        for _, text in explanation_of(code):
            assert text in document
