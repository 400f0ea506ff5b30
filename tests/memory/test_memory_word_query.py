"""Questions to a large index of words: few entries are scored, and the best ones are the same."""

from __future__ import annotations

import random
from collections.abc import Iterator
from pathlib import Path

import pytest
from large_store import sentence

from tsubasa_cli.memory import word_query as queries
from tsubasa_cli.memory.text import stems
from tsubasa_cli.memory.word_query import Sought, WordQuery, word_query
from tsubasa_cli.memory.words_index import Entry, Tier, WordsIndex

COUNT = 6_000
WEIGHTS = (1.0, 0.5, 1.0)


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> Iterator[WordsIndex]:
    chance = random.Random(5)
    index = WordsIndex(Path(tmp_path_factory.mktemp("index"), "words.db"))
    for tier in (Tier.ACTIVE, Tier.TURNS):
        said = [stems(sentence(chance)) for _ in range(COUNT)]
        days = [[f"y20{chance.randrange(20, 26)}"] for _ in range(COUNT)]
        index.replace(
            Entry(f"{tier}{place}", tier, 1, "en", words, (), marks)
            for place, (words, marks) in enumerate(zip(said, days, strict=True))
        )
    yield index
    index.close()


def questions(count: int, words: int) -> Iterator[WordQuery]:
    chance = random.Random(9)
    for _ in range(count):
        told = dict.fromkeys(stems(sentence(chance))[:words])
        yield word_query(*told)


def matches(index: WordsIndex, tier: Tier, expression: str) -> int:
    sql = f"SELECT count(*) FROM words_{tier} WHERE words_{tier} MATCH ?"
    return int(index._all(sql, (expression,), tier)[0][0])


class TestFewAreScored:
    @pytest.mark.parametrize("tier", [Tier.ACTIVE, Tier.TURNS])
    def test_of_common_words_a_quarter_at_most_and_the_best_stay(
        self, index: WordsIndex, tier: Tier, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        every = scored = 0
        for query in questions(60, words=4):
            monkeypatch.setattr(queries, "FEW", 100 * COUNT)
            whole = index.search(tier, query, 10, WEIGHTS)
            monkeypatch.setattr(queries, "FEW", 50)
            first = next(query.narrowings(lambda word: index.frequency(tier, word)))
            found = index.search(tier, query, 10, WEIGHTS)
            assert [score for _, score in found] == [score for _, score in whole]
            every += matches(index, tier, query.match)
            scored += matches(index, tier, first) if first else matches(index, tier, query.match)
        assert every > 60 * 500
        assert scored <= every / 4

    def test_one_common_word_by_itself_still_fills_the_list(
        self, index: WordsIndex, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(queries, "FEW", 50)
        assert len(index.search(Tier.ACTIVE, word_query("lisbon", "nowhere"), 40, WEIGHTS)) == 40

    def test_days_narrow_what_is_asked(
        self, index: WordsIndex, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(queries, "FEW", 50)
        query = WordQuery((Sought(("lisbon",)), Sought(("y2021", "y2022"), "days")))
        [pair, alone, every] = query.narrowings(lambda word: index.frequency(Tier.ACTIVE, word))
        counts = [matches(index, Tier.ACTIVE, text) for text in (pair, alone, query.match)]
        assert 0 < counts[0] < counts[1] < counts[2]
        assert every == ""


class TestNarrowing:
    COUNTS = {"kayak": 3, "oslo": 4_000, "laura": 5_000, "bought": 9_000}

    def narrowed(self, *words: str) -> list[str]:
        return list(word_query(*words).narrowings(lambda word: self.COUNTS.get(word, 0)))

    def test_a_small_index_is_asked_whole(self) -> None:
        assert self.narrowed("kayak", "nowhere") == [""]

    def test_rare_words_count_by_themselves_and_common_ones_in_pairs(self) -> None:
        first = self.narrowed("oslo", "kayak", "laura")[0]
        one = '{stated said} : "'
        assert first == f'({one}kayak") OR (({one}oslo") AND ({one}laura"))'

    def test_each_step_takes_in_one_more_word_until_all_are_in(self) -> None:
        steps = self.narrowed("bought", "oslo", "laura")
        assert steps[-1] == ""
        assert [step.count(" AND ") for step in steps] == [3, 1, 0, 0]

    def test_a_word_that_nothing_holds_costs_nothing(self) -> None:
        assert not [step for step in self.narrowed("oslo", "nowhere", "laura") if "nowhere" in step]

    def test_a_long_question_pairs_its_rarest_words_only(self) -> None:
        words = [f"w{number}" for number in range(30)]
        first = next(word_query(*words).narrowings(lambda word: 5_000 + int(word[1:])))
        assert first.count(" AND ") == 15
        assert '"w6"' not in first

    def test_counts_follow_what_is_written(self, tmp_path: Path) -> None:
        index = WordsIndex(tmp_path / "words.db")
        index.replace([Entry("a", Tier.ACTIVE, 1, "en", ["tram"])])
        assert index.frequency(Tier.ACTIVE, "tram") == 1
        index.replace([Entry("b", Tier.ACTIVE, 1, "en", ["tram"])])
        assert index.frequency(Tier.ACTIVE, "tram") == 2
        index.replace([], removed=["a", "b"])
        assert index.frequency(Tier.ACTIVE, "tram") == 0
        index.close()
