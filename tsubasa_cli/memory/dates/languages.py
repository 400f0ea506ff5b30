"""The four languages that dates are read in: word tables and patterns from files beside this one.

A pattern is a regular expression in which ``<name>`` stands for the words of a table (captured
under that name), a fragment, or one of the number groups below. Patterns are matched on folded
text (``folding``), so accents in the files are for the reader.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from tsubasa_cli.memory.dates.folding import plain

LANGUAGES = ("en", "de", "es", "fr")
_PLACEHOLDER = re.compile(r"(?<!\?P)<([a-z]+?)(2?)>")
_BEFORE = r"(?<![\w/@#$€£+%_])(?<!\d[.,:\-])(?<!\d')"
_AFTER = r"(?!\w|[/:]\d|[.,]\d\d?(?!\d)|%| ?[€$£])"
_YEAR_DIGITS = r"(?:19|20)\d\d(?![-–]\d{1,3}(?!\d))"
_DATED_YEAR = r"(?:1[5-9]|20)\d\d(?![-–]\d{1,3}(?!\d))"
_DAY_DIGITS = r"(?:0?[1-9]|[12]\d|3[01])"
_UNIVERSAL = {
    "iso": [
        r"(?P<year>(?:19|20)\d\d)[-/](?P<monthnumber>\d\d?)[-/](?P<daynumber>\d\d?)"
        r"(?:t\d\d:?\d\d\S*)?"
    ],
    "iso_month": [
        r"(?P<year>(?:19|20)\d\d)-(?P<monthnumber>\d\d)",
        r"(?P<monthnumber>0?[1-9]|1[0-2])/(?P<year>(?:19|20)\d\d)",
    ],
    "numeric": [r"(?P<first>\d\d?)(?P<mark>[/.-])(?P<second>\d\d?)(?P=mark)<fullyear>"],
    "two_years": [r"(?P<year>(?:19|20)\d\d) ?[-–/—] ?(?P<year2>(?:19|20)?\d\d)"],
}
_BLOCKS = {
    "quarter": "(?P<quarter>[1-4])",
    "twoyears": r"(?P<twoyears>(?:19|20)\d\d ?[/–-] ?(?:(?:19|20)?\d\d))",
    "fullyear": f"(?P<year>{_YEAR_DIGITS})",
    "dotted": r"(?P<dotted>\d{1,2}\.\d{1,2}\.(?:(?:19|20)?\d\d)?)",
}

Table = Sequence[tuple[str, re.Pattern[str]]]


@dataclass(frozen=True, slots=True)
class Rule:
    """One pattern; ``name`` says which reading it gets."""

    name: str
    pattern: re.Pattern[str]


@dataclass(frozen=True, slots=True)
class Language:
    """Everything that is known of one language, compiled."""

    code: str
    tables: Mapping[str, Table]
    rules: Sequence[Rule]
    trigger: re.Pattern[str]
    stopwords: re.Pattern[str]
    weak: re.Pattern[str]
    counted: re.Pattern[str]
    plural: re.Pattern[str]
    voided: re.Pattern[str]
    cues: Mapping[str, re.Pattern[str]]
    context: Mapping[str, re.Pattern[str]]
    past: re.Pattern[str]
    future: re.Pattern[str]
    present: re.Pattern[str]
    render: Mapping[str, Any]

    def key(self, table: str, words: str | None) -> str | None:
        """Which entry of ``table`` is spelt ``words``."""
        if words is None:
            return None
        return next((k for k, spelt in self.tables[table] if spelt.fullmatch(words)), None)

    def number(self, table: str, words: str) -> int:
        """As ``key``, for tables whose keys are whole numbers."""
        found = self.key(table, words)
        if found is None:
            raise ValueError(f"{words!r} is not in the table {table}")
        return int(found)


def language(tag: str) -> Language | None:
    """The language of a tag such as ``en``, ``de-AT`` or ``fr_CA``; None: not one of the four."""
    code = re.split("[-_]", tag.strip().lower(), maxsplit=1)[0]
    return _load(code) if code in LANGUAGES else None


@cache
def _load(code: str) -> Language:
    raw = tomllib.loads(
        resources.files(__package__).joinpath("languages", f"{code}.toml").read_text("utf-8")
    )
    fold = _fold_german if code == "de" else plain
    words = {name: _entries(table, raw["fragment"], fold) for name, table in raw["table"].items()}
    words["number"] += [(key, fold(spelt)) for key, spelt in _large_numbers(raw["compound"])]
    patterns = {**_UNIVERSAL, **raw["pattern"]}
    blocks = _blocks(raw, words, fold)
    return Language(
        code=code,
        tables={name: [(k, _compile(v)) for k, v in table] for name, table in words.items()},
        rules=[
            Rule(name, _compile(f"{_BEFORE}(?:{_expand(fold(each), blocks)}){_AFTER}"))
            for name, several in patterns.items()
            for each in several
        ],
        trigger=_trigger(words, raw.get("trigger", "(?!)")),
        stopwords=_compile(rf"\b(?:{plain(raw['stopwords'])})\b"),
        weak=re.compile(fold(raw["weak"])),
        counted=_compile(rf" (?:{fold(raw['counted'])})\b"),
        voided=_compile(rf" (?:{fold(raw['voided'])})\b"),
        plural=_compile(fold(raw["plural"])),
        cues={name: _left(fold(each)) for name, each in raw["cue"].items()},
        context={name: _side(name, fold(each)) for name, each in raw["context"].items()},
        past=_compile(rf"\b{raw['tense']['past']}\b"),
        future=_compile(rf"\b{raw['tense']['future']}\b"),
        present=_compile(rf"\b{raw['tense']['present']}\b"),
        render=raw["render"],
    )


def _entries(
    table: Mapping[str, str], fragments: Mapping[str, str], fold: Any
) -> list[tuple[str, str]]:
    """A table's keys and folded spellings, fragments put in."""
    found = []
    for key, spelt in table.items():
        for name, fragment in fragments.items():
            spelt = spelt.replace(f"<{name}>", fragment)
        found.append((key, fold(spelt)))
    return found


def _large_numbers(compound: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """11 to 99 in words, the longest first."""
    for ten, tens in enumerate(compound["tens"], 2):
        for one, unit in enumerate(compound["units"], 1):
            yield str(10 * ten + one), compound["form"].format(tens=tens, unit=unit)
        yield str(10 * ten), tens
    for number, spelt in enumerate(compound["teens"], 11):
        yield str(number), spelt


def _blocks(
    raw: Mapping[str, Any], words: Mapping[str, list[tuple[str, str]]], fold: Any
) -> dict[str, str]:
    """What each placeholder stands for, ``{g}`` being where the group's name goes."""
    blocks = {
        name: f"(?P<{name}{{g}}>{'|'.join(each for _, each in table)})"
        for name, table in words.items()
    }
    suffix = raw["fragment"]["suffix"]
    ordinals = "|".join(each for _, each in words["ordinal"])
    years = "|".join(each for _, each in words["relyear"])
    blocks |= {name: fold(each) for name, each in raw["fragment"].items()}
    blocks |= _BLOCKS
    blocks["day"] = f"(?P<day{{g}}>{_DAY_DIGITS}{suffix}|{ordinals})"
    blocks["number"] = (
        rf"(?P<number{{g}}>\d{{1,4}}|{'|'.join(each for _, each in words['number'])})"
    )
    blocks["year"] = f"(?P<year{{g}}>{_DATED_YEAR}|{years})"
    blocks["notcounted"] = f"(?! (?:{fold(raw['counted'])})\\b)"
    return blocks


def _expand(pattern: str, blocks: Mapping[str, str]) -> str:
    def put(found: re.Match[str]) -> str:
        name, again = found.groups()
        return blocks[name].replace("{g}", again)

    return _PLACEHOLDER.sub(put, pattern)


def _trigger(words: Mapping[str, list[tuple[str, str]]], extra: str) -> re.Pattern[str]:
    """What a sentence must hold before the patterns are tried at all."""
    names = ("month", "weekday", "season", "holiday", "unit", "days", "decade")
    spelt = "|".join(each for name in names for _, each in words[name])
    return _compile(rf"\d|\b(?:{extra}|{spelt})")


def _left(pattern: str) -> re.Pattern[str]:
    """Matches at the end of what stands before an expression."""
    return _compile(rf"(?<!\w)(?:{pattern})(?: |(?<=['-]))$")


def _side(name: str, pattern: str) -> re.Pattern[str]:
    if name == "booked":
        return _compile(rf"\b(?:{pattern})\b")
    return _compile(f"^,? ?(?:{pattern}) ?$") if name in ("to", "and") else _left(pattern)


def _compile(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern, re.IGNORECASE)


def _fold_german(pattern: str) -> str:
    """Umlauts match as ä, a and ae; ß as ß and ss."""
    for umlaut, spelt in {"ä": "ae?", "ö": "oe?", "ü": "ue?", "ß": "(?:ß|ss)"}.items():
        pattern = re.sub(rf"{umlaut}(?![^\[]*\])", spelt, pattern)
    return plain(pattern)
