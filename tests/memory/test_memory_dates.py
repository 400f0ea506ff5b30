"""Dates in people's words: hand-written vectors, laws, and how they are written out."""

from __future__ import annotations

import json
from collections import Counter
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tsubasa_cli.memory.dates import (
    Bound,
    DateSpan,
    Tense,
    find_dates,
    render_day,
    render_span,
    resolve,
)
from tsubasa_cli.memory.dates.intervals import easter, nth_weekday, shift_months
from tsubasa_cli.memory.values import Precision
from tsubasa_cli.storage.values import Instant

VECTORS = Path(__file__).parent / "data" / "date_vectors.jsonl"
WEDNESDAY = Instant.from_datetime(datetime.fromisoformat("2026-05-13T20:15:00+02:00"))
LANGUAGES = ["en", "de", "es", "fr"]
SALAD = (
    "in on since until from between to and last next this 3 31. 29 Feb May march 2019 "
    "2026-05-03 99/99/2020 30.2. 0 weeks months ago years 9999 vor seit bis ab am Ende "
    "Mitte hace desde hasta el de lunes mayo año il y a depuis jusqu'en fin août mi- "
    "second first Monday Sunday weekend spring Christmas Ostern Navidad Noël 90s the of "
    "yesterday morgen mañana demain , . - – ? \u0301 früh half a couple few "
)
languages = st.sampled_from(LANGUAGES)


def at(iso: str) -> Instant:
    return Instant.from_datetime(datetime.fromisoformat(iso))


def days(span: DateSpan | None) -> tuple[str, str, str] | None:
    return span and (span.start.isoformat(), span.end.isoformat(), span.precision.value)


def vectors() -> list[dict[str, Any]]:
    return [json.loads(line) for line in VECTORS.read_text("utf-8").splitlines()]


def expected(vector: dict[str, Any]) -> list[tuple[str, str, str]]:
    if vector["start"] is None:
        return []
    return [(vector["start"], vector["end"], vector["precision"])]


class TestVectors:
    def test_there_are_enough_of_each_language(self) -> None:
        counts = Counter(vector["language"][:2] for vector in vectors())
        assert sum(counts.values()) >= 300
        assert min(counts[language] for language in LANGUAGES) >= 60

    def test_at_least_98_of_100_sentences_are_read_right(self) -> None:
        misses = []
        for vector in vectors():
            found = find_dates(vector["text"], at(vector["anchor"]), vector["language"])
            if [days(span) for span in found] != expected(vector):
                misses.append((vector["language"], vector["text"], [days(span) for span in found]))
        assert len(misses) <= 0.02 * len(vectors()), misses

    def test_a_phrase_with_its_sentence_means_what_it_means_there(self) -> None:
        misses = []
        for vector in vectors():
            span = resolve(
                vector["phrase"], at(vector["anchor"]), vector["language"], sentence=vector["text"]
            )
            if [days(span)] != (expected(vector) or [None]):
                misses.append((vector["language"], vector["phrase"], days(span)))
        assert len(misses) <= 0.02 * len(vectors()), misses

    def test_the_words_are_quoted_from_the_text(self) -> None:
        for vector in vectors():
            for span in find_dates(vector["text"], at(vector["anchor"]), vector["language"]):
                assert vector["text"][span.offset :].startswith(span.text)


class TestLaws:
    @settings(max_examples=150, deadline=None)
    @given(st.text(max_size=120), st.sampled_from([*LANGUAGES, "", "en-US", "xx", "-"]))
    def test_arbitrary_text_never_raises(self, text: str, language: str) -> None:
        for span in find_dates(text, WEDNESDAY, language):
            assert span.start <= span.end
        resolve(text, WEDNESDAY, language)

    @settings(max_examples=250, deadline=None)
    @given(
        st.lists(
            st.sampled_from(SALAD.split()),
            max_size=12,
        ),
        languages,
        st.datetimes(min_value=datetime(1971, 1, 1), max_value=datetime(9998, 1, 1)),
    )
    def test_word_salads_give_ordered_spans_within_the_text(
        self, words: list[str], language: str, moment: datetime
    ) -> None:
        text = " ".join(words)
        anchor = at(moment.replace(microsecond=0).isoformat() + "+05:30")
        end = 0
        for span in find_dates(text, anchor, language):
            assert span.start <= span.end
            assert span.offset >= end
            assert text[span.offset : span.offset + len(span.text)] == span.text
            end = span.offset + len(span.text)
        whole = resolve(text, anchor, language)
        assert whole is None or whole.start <= whole.end

    @given(st.integers(0, 3000), st.dates(date(1990, 1, 1), date(2100, 1, 1)))
    def test_n_days_ago_is_subtraction(self, count: int, today: date) -> None:
        anchor = at(f"{today.isoformat()}T12:00:00+01:00")
        phrases = {
            "en": f"{count} days ago",
            "de": f"vor {count} Tagen",
            "es": f"hace {count} días",
            "fr": f"il y a {count} jours",
        }
        for language, phrase in phrases.items():
            span = resolve(phrase, anchor, language)
            assert span is not None
            assert span.start == span.end == today - timedelta(days=count)
            assert span.direction is (Tense.PAST if count else Tense.NONE)

    @given(st.integers(0, 400), st.dates(date(1990, 1, 1), date(2100, 1, 1)))
    def test_in_n_weeks_holds_the_day_that_many_weeks_away(self, count: int, today: date) -> None:
        span = resolve(f"in {count} weeks", at(f"{today.isoformat()}T12:00:00+01:00"), "en")
        assert span is not None
        assert span.start <= today + timedelta(weeks=count) <= span.end
        assert span.start.weekday() == 0
        assert span.precision is Precision.WEEK

    @settings(max_examples=60, deadline=None)
    @given(
        st.sampled_from([vector["text"] for vector in vectors() if vector["language"] == "en"]),
        st.integers(0, 23),
        st.integers(-14 * 4, 14 * 4),
    )
    def test_only_the_local_day_counts(self, text: str, hour: int, quarters: int) -> None:
        sign, minutes = "-" if quarters < 0 else "+", abs(quarters) * 15
        zone = f"{sign}{minutes // 60:02d}:{minutes % 60:02d}"
        somewhere = at(f"2026-05-13T{hour:02d}:30:00{zone}")
        assert find_dates(text, somewhere, "en") == find_dates(text, WEDNESDAY, "en")

    @given(st.dates(date(1980, 1, 1), date(2090, 1, 1)), languages)
    def test_a_day_that_was_written_out_is_read_back(self, day: date, language: str) -> None:
        span = resolve(render_day(day, Precision.DAY, language), WEDNESDAY, language)
        assert span is not None
        assert (span.start, span.end, span.precision) == (day, day, Precision.DAY)

    @given(st.dates(date(1980, 1, 1), date(2090, 1, 1)), languages)
    def test_a_month_and_a_season_are_read_back(self, day: date, language: str) -> None:
        for precision in (Precision.MONTH, Precision.SEASON):
            span = resolve(render_day(day, precision, language), WEDNESDAY, language)
            assert span is not None
            assert span.start <= day <= span.end
            assert span.precision is precision

    @given(st.dates(date(1, 1, 31), date(9990, 1, 1)), st.integers(-12, 12))
    def test_shifting_months_keeps_the_day_or_takes_the_last(self, day: date, months: int) -> None:
        if day.year * 12 + day.month - 1 + months < 12:
            return
        moved = shift_months(day, months)
        assert (moved.year * 12 + moved.month) - (day.year * 12 + day.month) == months
        assert moved.day == day.day or (moved + timedelta(days=1)).day == 1


class TestSentences:
    def test_several_expressions_come_in_order_each_with_its_own_tense(self) -> None:
        text = "I went to Rome in March, will see Anna on Friday, and since 2020 I live in Graz."
        spans = find_dates(text, WEDNESDAY, "en")
        assert [days(span) for span in spans] == [
            ("2026-03-01", "2026-03-31", "month"),
            ("2026-05-15", "2026-05-15", "day"),
            ("2020-01-01", "2026-05-13", "range"),
        ]
        assert [span.direction for span in spans] == [Tense.PAST, Tense.FUTURE, Tense.NONE]
        assert spans[2].bound is Bound.SINCE and spans[2].edge is Precision.YEAR

    def test_the_offset_points_into_the_text_as_it_was_written(self) -> None:
        text = "Cafe\u0301  with\u00a0Zoë:\n\n  it was   last\u00a0 Monday — “fun”."
        (span,) = find_dates(text, WEDNESDAY, "en")
        assert span.text == "last\u00a0 Monday"
        assert text[span.offset :].startswith(span.text)

    def test_accents_may_be_missing_or_spelt_out(self) -> None:
        same = [("Naechste Woche", "Nächste Woche"), ("uebermorgen", "übermorgen")]
        for written, right in same:
            assert days(resolve(written, WEDNESDAY, "de")) == days(resolve(right, WEDNESDAY, "de"))
        assert days(resolve("el proximo ano", WEDNESDAY, "es")) == (
            "2027-01-01",
            "2027-12-31",
            "year",
        )
        assert days(resolve("en fevrier 2024", WEDNESDAY, "fr")) == (
            "2024-02-01",
            "2024-02-29",
            "month",
        )

    @pytest.mark.parametrize(
        ("text", "start"),
        [
            ("Wir haben vorgestern in der Stadt gegessen.", "2026-05-11"),
            ("Hace tres días que no la veo.", "2026-05-10"),
            ("Nous avons mangé ensemble avant-hier.", "2026-05-11"),
            ("We had dinner together three days ago.", "2026-05-10"),
        ],
    )
    def test_without_a_tag_the_language_is_guessed(self, text: str, start: str) -> None:
        (span,) = find_dates(text, WEDNESDAY)
        assert span.start.isoformat() == start

    def test_the_local_day_is_the_users_own(self) -> None:
        late, early = at("2026-05-13T23:30:00-05:00"), at("2026-05-14T04:30:00+00:00")
        assert late.epoch_ms == early.epoch_ms
        assert days(resolve("today", late, "en")) == ("2026-05-13", "2026-05-13", "day")
        assert days(resolve("today", early, "en")) == ("2026-05-14", "2026-05-14", "day")

    def test_other_languages_are_read_by_the_library(self) -> None:
        assert days(resolve("昨日", WEDNESDAY, "ja")) == ("2026-05-12", "2026-05-12", "day")
        assert days(resolve("上周", WEDNESDAY, "zh")) == ("2026-05-04", "2026-05-10", "week")
        (span,) = find_dates("三天前我感冒了。", WEDNESDAY)
        assert (span.text, days(span)) == ("三天前", ("2026-05-10", "2026-05-10", "day"))
        (span,) = find_dates("2019年から東京に住んでいる。", WEDNESDAY)
        assert days(span) == ("2019-01-01", "2019-12-31", "year")
        assert find_dates("我有三只猫。猫を3匹飼っています。", WEDNESDAY) == []
        (span,) = find_dates("Ieri sono andato a Roma con Marco.", WEDNESDAY, "it")
        assert days(span) == ("2026-05-12", "2026-05-12", "day")
        assert find_dates("nothing", WEDNESDAY, "no-such-language") == []

    def test_a_long_text_without_dates_has_none(self) -> None:
        assert find_dates("Lorem ipsum dolor sit amet, once more. " * 3_000, WEDNESDAY, "en") == []


class TestCalendar:
    @pytest.mark.parametrize(
        "day", ["2000-04-23", "2008-03-23", "2011-04-24", "2024-03-31", "2025-04-20", "2038-04-25"]
    )
    def test_easter(self, day: str) -> None:
        assert easter(int(day[:4])).isoformat() == day

    def test_the_nth_weekday_of_a_month(self) -> None:
        assert nth_weekday(2026, 5, 0, 1) == date(2026, 5, 4)
        assert nth_weekday(2026, 5, 6, -1) == date(2026, 5, 31)
        with pytest.raises(ValueError, match="no weekday"):
            nth_weekday(2026, 5, 0, 5)


class TestWrittenOut:
    @pytest.mark.parametrize(
        ("language", "day", "month", "season", "year"),
        [
            ("en", "3 May 2026", "May 2026", "spring 2026", "2026"),
            ("de", "3. Mai 2026", "Mai 2026", "Frühjahr 2026", "2026"),
            ("es", "3 de mayo de 2026", "mayo de 2026", "primavera de 2026", "2026"),
            ("fr", "3 mai 2026", "mai 2026", "printemps 2026", "2026"),
        ],
    )
    def test_a_day_by_its_precision(
        self, language: str, day: str, month: str, season: str, year: str
    ) -> None:
        when = date(2026, 5, 3)
        assert render_day(when, Precision.DAY, language) == day
        assert render_day(when, Precision.MONTH, language) == month
        assert render_day(when, Precision.SEASON, language) == season
        assert render_day(when, Precision.YEAR, language) == year

    def test_winter_belongs_to_two_years(self) -> None:
        assert render_day(date(2024, 1, 7), Precision.SEASON, "en") == "winter 2023/24"
        assert render_day(date(2023, 12, 7), Precision.SEASON, "de") == "Winter 2023/24"

    @pytest.mark.parametrize(
        ("start", "end", "written"),
        [
            ("2026-05-03", "2026-05-07", "3 May – 7 May 2026"),
            ("2025-12-30", "2026-01-02", "30 December 2025 – 2 January 2026"),
            ("2023-06-01", "2023-08-31", "June – August 2023"),
            ("2025-11-01", "2026-02-28", "November 2025 – February 2026"),
            ("2015-01-01", "2018-12-31", "2015 – 2018"),
            ("1990-01-01", "1999-12-31", "the 1990s"),
            ("2026-05-03", "2026-05-03", "3 May 2026"),
        ],
    )
    def test_a_span_is_as_short_as_it_can_be(self, start: str, end: str, written: str) -> None:
        ends = date.fromisoformat(start), date.fromisoformat(end)
        assert render_span(*ends, Precision.RANGE, "en") == written

    def test_one_end_only(self) -> None:
        start, today = date(2019, 1, 1), date(2026, 5, 13)
        since = {"bound": Bound.SINCE, "edge": Precision.YEAR}
        assert render_span(start, today, language="en", **since) == "since 2019"  # type: ignore[arg-type]
        assert render_span(start, today, language="de", bound=Bound.UNTIL) == "bis zum 13. Mai 2026"
        assert (
            render_span(start, today, language="fr", bound=Bound.SINCE)
            == "depuis le 1er janvier 2019"
        )
        assert (
            render_span(start, today, language="es", bound=Bound.UNTIL)
            == "hasta el 13 de mayo de 2026"
        )
