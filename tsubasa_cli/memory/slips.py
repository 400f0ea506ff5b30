"""Slips: what the user takes back and puts right, "Marta, not Maria"."""

from __future__ import annotations

import re
from dataclasses import dataclass

from tsubasa_cli.memory.cue_files import found


@dataclass(frozen=True, slots=True)
class Correction:
    """ "Marta, not Maria". ``wrong`` is empty where it was not named."""

    right: str
    wrong: str


_NOT = r"(?:,? (?:and )?not|,? nicht|,? no|,? pas|,? et non)"


_WORD = r"[\w'’.+@/-]+"


_VALUE = (
    r"(?:(?:on |in )?(?:(?:mon|tues|wednes|thurs|fri|satur|sun)day|january|february|march|april|"
    r"may|"
    r"june|july|august|september|october|november|december)|\d[\d.,:]*(?: ?[ap]m)?|"
    r"(?-i:[A-ZÀ-Þ][\wÀ-ÿ-]+))"
)


_CORRECTIONS = (
    re.compile(
        rf"(?i)\b(?:it['’]?s|it is|that['’]s|is|are|was|called|named|meant|say|said|es ist|ist|"
        rf"heißt|"
        rf"heiße|meinte|es|llama|llamo|decir|c['’]est|est|appelle|dire)(?: called)? "
        rf"(?P<right>{_WORD}(?: {_WORD}){{0,4}}?){_NOT} "
        rf"(?P<wrong>{_WORD}(?: {_WORD}){{0,3}}?)\s*(?:[.!,;]|$)"
    ),
    re.compile(
        rf"(?i)\b(?:not|nicht|no|pas) (?P<wrong>{_WORD}(?: {_WORD}){{0,2}}?)(?:,| -)? ?(?:but|"
        rf"sondern|sino|"
        rf"mais|it['’]?s|es)(?: it['’]?s)? (?P<right>{_WORD}(?: {_WORD}){{0,3}}?)\s*(?:[.!,;]|$)"
    ),
    re.compile(
        rf"(?i)^\W*(?:no,? )?(?P<right>{_WORD}(?: {_WORD})?), not (?P<wrong>{_WORD}(?: "
        rf"{_WORD})?)\W*$"
    ),
    re.compile(rf"(?i)^\W*(?:no|nope|nein|non),? (?P<right>{_WORD}(?: {_WORD})?)(?P<wrong>)\W*$"),
    re.compile(
        rf"(?i)\b(?:it|that|(?:the|my) \w+(?: \w+)?)(?:['’]s| is| was)(?: actually| really| only)? "
        rf"(?P<right>{_VALUE})(?P<wrong>)\s*(?:[.!,;]|$)"
    ),
    re.compile(
        rf"(?i)\b(?:i meant(?: to say)?|ich meinte|quise decir|je voulais dire) "
        rf"(?P<right>{_WORD}(?: {_WORD}){{0,2}}?)(?P<wrong>)\s*(?:[.!,;]|$)"
    ),
)


def correction_in(text: str) -> Correction | None:
    """What ``text`` puts right; None when it corrects nothing that was said."""
    if not found("speech", "correction", text):
        return None
    for pattern in _CORRECTIONS:
        match = pattern.search(text)
        if match:
            return Correction(match["right"].strip(" .,!"), (match["wrong"] or "").strip(" ."))
    return None


_ONLY = re.compile(
    r"(?i)\W*(?:(?:no|nope|sorry|oops|whoops|wait|actually|correction|hang on|my mistake|my bad|"
    r"nein|falsch|"
    r"quatsch|perdón|non|pardon)\W+)+(?:not|nicht|pas|no) [\w'’ -]{1,30}\W*"
)


def only_corrects(text: str) -> bool:
    """ "Sorry, not Leipzig": what is wrong is named, what is right is yet to come."""
    return _ONLY.fullmatch(text) is not None


_SHAPES = (
    r"\d{1,2}(?::\d\d)? ?(?:am|pm|a\.m\.|p\.m\.|uhr|h)\b",
    r"(?:on |am |el |le )?(?:mon|tues|wednes|thurs|fri|satur|sun)day",
    r"(?:in |im |en )?(?:january|february|march|april|may|june|july|august|september|october|"
    r"november|"
    r"december)",
    r"\d[\d.,]*",
    r"(?-i:[A-ZÀ-Þ][\wÀ-ÿ-]+)",
)


def counterpart_of(right: str, text: str) -> str:
    """The one word of ``text`` that ``right`` can stand in for, of the same shape; else empty."""
    for shape in _SHAPES:
        if re.fullmatch(rf"(?i){shape}", right):
            found_here = re.findall(rf"(?i)(?<=\s)({shape})(?!\w)", text)
            plain = [word for word in found_here if not re.match(r"(?i)i(?:['’]\w+)?$", word)]
            return plain[0] if len(plain) == 1 else ""
    return ""


def without_meaning(text: str) -> str:
    """``text`` without "I meant"."""
    return re.sub(
        r"(?i)^\W*(?:i meant?(?: to say)?|ich meinte|quise decir|je voulais dire)\b", "", text
    )


def is_correction(text: str) -> bool:
    return found("speech", "correction", text) is not None
