"""Pictures and laughter beside a sentence, told from those that it is about.

"I love pizza 🍕" says no less without its picture; "I love 🍕" says nothing without it. What may be
the object of a verb, part of a name or the subject stays: a picture too many hides nothing.
"""

from __future__ import annotations

import re

from tsubasa_cli.memory.function_words import function_words, is_first_person, is_small_talk
from tsubasa_cli.memory.third_person.verbs import (
    AUXILIARIES,
    COMMON,
    IRREGULAR_PAST,
    MODALS,
    UNCHANGED,
    add_s,
    is_adverb,
    is_past,
)
from tsubasa_cli.memory.wordlist import words_of

_PICTURE = r"[\U0001f000-\U0001faff\u2600-\u27bf][\ufe0f\u200d\U000e0020-\U000e007f]*"
_PICTURES = re.compile(rf"{_PICTURE}(?:\s*{_PICTURE})*|(?<=\s)[:;]-?[)(DPp](?=\s|$)")
_LAST_PICTURES = re.compile(rf"(?:\s*{_PICTURE})+$")
_FEELINGS = re.compile(
    r"[\U0001f600-\U0001f64f\U0001f910-\U0001f92f\U0001f970-\U0001f97a\U0001fae0-\U0001fae8"
    r"\U0001f44a-\U0001f44f\U0001f493-\U0001f49f\U0001f389\U0001f38a\U0001f4aa\U0001f525"
    r"\u2728\u2764\u2665]|[:;]"
)
"""Faces, hands, hearts: they seldom stand for a thing, so less has to come before them."""
_WORD = re.compile(r"[^\W_]+(?:-[^\W_]+)*")
_SENTENCE_END = re.compile(r"[.!?…。！？]+[\"”’)]*\s*$")
_CLOSED = re.compile(r"[\w)\]”’\"]\s*$")
_LAUGHTER = re.compile(r"(?:(?<=[,.!?…;])\s*|\s+)(?:(?i:haha(?:ha)*|hehe)|(?<=[,.!?…;] )lol)\W*$")
_TAIL = re.compile(r"(?P<blank>\s*)(?P<marks>[,;:–—!.…\s-]*)$")

_LEAST_WORDS = 3
"""Of a sentence that is one without its picture: someone, a verb, what they do it to."""
_SHORT_REST = 2
"""Words after a picture in a name: "Coffee ☕ Corner"."""
_TIMES = words_of(
    "last next every yesterday today tomorrow tonight since ago letzte letzten nächste nächsten "
    "jeden gestern heute morgen ayer hoy mañana cada hier demain chaque"
)
_COPULAS = words_of(
    "m s re am is are was were be been got get feel bin ist bist sind war waren soy es son estoy "
    "está fui era suis est sont étais était"
)
_GOVERNORS = {
    "en": "a an the my our his her their its your this these some any no at in on of for with from "
    "by into about near as",
    "es": "el la los las un una unos unas mi mis su sus de del en con por para al como",
    "fr": "l d le la les un une des du de mon ma mes son sa ses au aux en à dans chez avec pour "
    "sans",
}
"""What a noun follows; German nouns have a capital."""
_HALF = words_of(
    "big small large little tiny huge great good bad nice cute new old young beautiful favourite "
    "favorite best first second third other own same single two three four five six seven eight "
    "nine ten petit petite grand grande gros grosse beau belle nouveau nouvelle vieux bon bonne "
    "gran nuevo nueva pequeño pequeña buen viejo deux trois dos tres"
)
"""After a governor these still wait for their noun."""
_NAMING = words_of(
    "called named titled nicknamed labelled labeled spelled spelt written marked llamado llamada "
    "appelé appelée"
)
_SHOWING = words_of("using sending typing posting saying writing adding drawing getting making")
_GOES_WITHOUT = words_of(
    "sleep slept swim swam ski jog commute graduated retired moved arrived died passed resigned "
    "quit proposed divorced relax travel"
)
_OBJECTS = words_of("it them her him this that here there me us lot much")
_VERBS = COMMON | words_of(
    "adore cherish crave devour despise detest send type mean spell end finish order pick choose "
    "name stream post say add put set"
)
_OPEN = frozenset(
    {*_VERBS, *map(add_s, _VERBS), *AUXILIARIES, *MODALS, *UNCHANGED, *IRREGULAR_PAST}
)


def without_decoration(text: str, language: str) -> str:
    """``text`` on one line without the pictures, the laughter and the marks that only surround it;
    with those that it would say less without."""
    line = " ".join(_without_pictures(text, language).split()).lstrip(" ,;:–—-")
    return _without_tail(_without_laughter(line, language), language)


def parts_sentences(before: str, after: str, language: str) -> bool:
    """Whether the picture at the end of ``before`` parts two sentences, the second being
    ``after``."""
    pictures = _LAST_PICTURES.search(before)
    if pictures is None:
        return True
    said = before[: pictures.start()]
    return _decorates(said, pictures.group(), after, language) and not _continues(after, language)


def is_verb_pictured(text: str) -> bool:
    """Whether a picture stands for what the speaker does: "I ♥ New York"."""
    return bool(_PICTURED_VERB.search(text))


_PICTURED_VERB = re.compile(rf"(?i)\b(?:i|we|ich|wir|je|yo) {_PICTURE}")


def _without_pictures(text: str, language: str) -> str:
    kept, end = "", 0
    for run in _PICTURES.finditer(text):
        kept += text[end : run.start()]
        end = run.end()
        if _decorates(kept, run.group(), text[end:], language):
            kept = kept.rstrip()
        else:
            kept += run.group()
    return kept + text[end:]


def _decorates(before: str, pictures: str, after: str, language: str) -> bool:
    """Whether ``pictures`` could be left out between ``before`` and ``after``."""
    if _WORD.match(after):
        return False
    if not before.strip() or _SENTENCE_END.search(before):
        return not _continues(after, language)
    if not _is_whole(before, language, feels=bool(_FEELINGS.match(pictures))):
        return False
    return _continues(after, language) or not _goes_into_a_name(before, after)


def _continues(after: str, language: str) -> bool:
    """Whether ``after`` goes on with the sentence before it: "… 🎉 in 2024"."""
    word = _WORD.match(after.lstrip())
    if word is None or is_first_person(word.group()):
        return False
    return word.group() in _TIMES | function_words(language)


def _goes_into_a_name(before: str, after: str) -> bool:
    rest = _WORD.findall(re.split(r"[.!?…,;\n]", after, maxsplit=1)[0])
    if not 0 < len(rest) <= _SHORT_REST or is_small_talk(rest[0]) or is_first_person(rest[0]):
        return False
    last: str = _WORD.findall(before)[-1]
    return last[0].isupper() == str(rest[0])[0].isupper()


def _is_whole(text: str, language: str, *, feels: bool) -> bool:
    """Whether ``text`` says all that it has to before a picture."""
    sentence = re.split(r"[.!?…。]\s+", text.rstrip())[-1]
    words = _WORD.findall(sentence)
    if len(words) < _LEAST_WORDS or not _CLOSED.search(sentence):
        return False
    is_pictured = bool(_PICTURES.search(sentence.split()[-1]))
    return not is_pictured and not _is_open(words, language, feels=feels)


def _is_open(words: list[str], language: str, *, feels: bool) -> bool:
    """Whether ``words`` wait for one more: they end in a verb, an article, "called"."""
    if "".join(words).isupper():
        words = [word.casefold() for word in words]
    last = words[-1]
    if last[0].isupper() and last != "I":
        return False
    if last.isdecimal():
        return not feels
    if feels and last in _OBJECTS:
        return False
    if last in function_words(language):
        return True
    before = [word.casefold() for word in words[:-1]]
    if language == "en":
        return _is_open_in_english(last, before, feels=feels)
    if language not in _GOVERNORS and language != "de":
        return False
    governed = before[-1:] and before[-1] in words_of(_GOVERNORS.get(language, "")) | _COPULAS
    return not governed or last in _HALF | _NAMING or last.endswith(("er", "ar", "ir", "re"))


def _is_open_in_english(last: str, before: list[str], *, feels: bool) -> bool:
    closest = next((word for word in reversed(before) if not is_adverb(word)), "")
    if is_adverb(last) or last in _NAMING | _SHOWING:
        return True
    if closest in words_of(_GOVERNORS["en"]):
        return last in _HALF
    if last.endswith("ing"):
        return not feels
    if closest in _COPULAS or last in _GOES_WITHOUT:
        return False
    return last in _OPEN or last in _HALF or is_past(last)


def _without_laughter(text: str, language: str) -> str:
    laughter = _LAUGHTER.search(text)
    if laughter is None:
        return text
    head = text[: laughter.start()]
    is_apart = head.endswith((",", ".", "!", "?", "…", ";"))
    words = _WORD.findall(head)
    is_said = is_apart or (bool(words) and not _is_open(words, language, feels=True))
    return head if is_said else text


def _without_tail(text: str, language: str) -> str:
    """``text`` without the marks at its end, but for those that it speaks of ("ends with :")."""
    tail = _TAIL.search(text)
    if tail is None:
        return text
    head = text[: tail.start()]
    words = _WORD.findall(head) if _CLOSED.search(head) else []
    if tail["blank"] and tail["marks"] and words and _is_open(words, language, feels=False):
        return f"{head} {tail['marks'].rstrip()}"
    return head
