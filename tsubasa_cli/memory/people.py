"""The people and animals of the user's: how they are named, and which pronoun means them."""

from __future__ import annotations

import re
from collections.abc import Iterable

from tsubasa_cli.memory.sentences import mask_quotes
from tsubasa_cli.memory.subjects import RELATIONS

KIN = "|".join(sorted((w for v in RELATIONS.values() for w in v.split("|")), key=len, reverse=True))


PETS = (
    "dog|cat|puppy|kitten|horse|parrot|rabbit|hamster|pet|hund|katze|kater|perro|perra|gato|gata|"
    "chien|chienne|chat|chatte"
)


MINE = r"(?:my|our|mein\w*|unser\w*|mis?|nuestr[oa]s?|mon|ma|mes|nos|notre)"


NAME = r"(?-i:[A-ZÀ-Þ][\wÀ-ÿ’'-]+(?: [A-ZÀ-Þ][\wÀ-ÿ’'-]+)?)"


_OWN_KIN = re.compile(
    rf"\b{MINE} (?:[\w-]+ )?(?P<kin>{KIN}|{PETS})\b(?:,? (?:called |"
    rf"named )?(?P<name>{NAME}),?)?"
    rf"(?!['’]s)",
    re.IGNORECASE,
)


def relations_in(text: str) -> set[str]:
    """The words for people of the user's in ``text``."""
    return {match.group().casefold() for match in re.finditer(rf"(?i)\b(?:{KIN})\b", text)}


def begins_with_person(text: str) -> bool:
    """Whether ``text`` is about one of the user's people: "my sister's name is …"."""
    return bool(
        re.match(rf"(?i)\W*{MINE} (?:[\w-]+ )?(?:{KIN})\b(?! and (?:i|ich|yo|moi)\b)", text)
    )


_INTRODUCING = re.compile(
    rf"(?i)(?:\b(?:an?|one|{MINE}) (?:[\w-]+ )?(?P<kin>{KIN}|{PETS})(?:['’]s name is|"
    rf",? (?:is )?called|"
    rf",? (?:is )?named|,| heißt| namens|, se llama| se llama|,? qui s['’]appelle| s['’]appelle)"
    rf" (?P<name>{NAME}))|^(?P<name_first>{NAME}) is {MINE} (?:[\w-]+ )?(?P<kin_last>{KIN}|"
    rf"{PETS})\b"
)


def people_in(text: str) -> dict[str, str]:
    """The user's people who are named in ``text``: name → the word that tells who it is."""
    masked = mask_quotes(text)
    found = {m["name"].split()[0]: m["kin"] for m in _OWN_KIN.finditer(masked) if m["name"]}
    for match in _INTRODUCING.finditer(masked):
        name = match["name"] or match["name_first"]
        found[name.split()[0]] = match["kin"] or match["kin_last"]
    return found


def told_of(statements: Iterable[str]) -> dict[str, str]:
    """The people that memories name: name → the word that tells who it is to the user."""
    known: dict[str, str] = {}
    for statement in statements:
        known |= people_in(_USERS.sub("my", statement))
    return known


_USERS = re.compile(r"(?i)\b(?:the user['’]s|(?<=and )their)(?= )")


def with_relation(text: str, known: dict[str, str]) -> str:
    """``text`` that begins with a known name, told of "my dog Rex"; others as they are."""
    first = re.match(rf"({NAME})(?=['’]s|,| )", text)
    after = text[first.end() :] if first else ""
    if first is None or " and " in after[:5] or re.match(rf"(?i), {MINE}\b", after):
        return text
    kin = known.get(first[0].split()[0], "")
    return f"my {kin} {text}" if kin and not begins_with_person(text) else text


def known_in(text: str, known: dict[str, str]) -> str:
    """The known person whose name ``text`` begins with ("my sister Nadia"), empty for others."""
    first = re.match(NAME, text)
    kin = known.get(first[0].split()[0], "") if first else ""
    return f"my {kin} {first[0].split()[0]}" if kin and first else ""


_A_PET = re.compile(rf"(?i)\b(?:an?|the|{MINE}) (?:\w+ )?(?P<pet>{PETS})\b(?!['’]s)")


def pet_in(text: str) -> str:
    """The animal of theirs that ``text`` speaks of ("my dog"), empty where there is none."""
    match = _A_PET.search(mask_quotes(text))
    return f"my {match['pet']}" if match else ""


def person_in(text: str) -> str:
    """The last of the user's people in ``text``, in the user's words ("my sister Anna")."""
    last = ""
    for match in _OWN_KIN.finditer(mask_quotes(text)):
        last = match.group().rstrip(" ,")
    return last


def names_known_person(text: str, known: dict[str, str]) -> bool:
    """Whether ``text`` is about somebody who was introduced, or plainly somebody's life."""
    first = re.match(rf"{NAME}(?=['’]s|,| )", text)
    if first is None:
        return False
    if first[0].split()[0] in known:
        return True
    return bool(re.match(rf"{NAME}(?:, [^,]+,)? (?:is|was|and) {MINE} \w+", text, re.IGNORECASE))


_SHE = {"she", "her", "sie", "ella", "elle", "ihr"}


_HE = {"he", "his", "er", "él", "il"}


_IT = {"it", "its"}


_FEMALE = re.compile(
    r"(?i)\b(?:sister|sis|mother|mom|mum|mama|wife|girlfriend|daughter|grandmother|grandma|granny|"
    r"aunt|auntie|niece|stepmother|stepmom|mother-in-law|sister-in-law|fiancée|schwester|mutter|"
    r"freundin|tochter|oma|tante|nichte|chefin|kollegin|katze|hermana|madre|mamá|novia|esposa|"
    r"mujer|"
    r"hija|abuela|tía|sœur|mère|maman|copine|femme|fille)\b"
)


_MALE = re.compile(
    r"(?i)\b(?:brother|bro|father|dad|papa|husband|hubby|boyfriend|son|grandfather|grandpa|"
    r"granddad|"
    r"uncle|nephew|stepfather|stepdad|father-in-law|brother-in-law|bruder|vater|freund|ehemann|"
    r"mann|"
    r"sohn|opa|onkel|neffe|hund|hermano|padre|papá|novio|marido|esposo|hijo|abuelo|tío|frère|père|"
    r"copain|mari|fils)\b"
)


def person_for(pronoun: str, person: str) -> str:
    """``person`` ("my sister Anna") where ``pronoun`` can mean them, else empty."""
    low = pronoun.casefold()
    if not person or low not in _SHE | _HE | _IT:
        return ""
    if low in _IT:
        return person if re.fullmatch(rf"(?i)my (?:{PETS})", person) else ""
    opposite = _MALE if low in _SHE else _FEMALE
    return "" if opposite.search(person) else person


def with_person(text: str, pronoun: str, person: str) -> str:
    """``text`` with the person in place of the first such pronoun ("her dog": "my sister's "
    "dog")."""
    owns = pronoun.casefold() in {"her", "his", "its"}
    return re.sub(
        rf"(?i)\b{re.escape(pronoun)}(?P<short>['’](?:s|ll|d))?\b",
        lambda match: f"{person}'s" if owns else person + (_LONG.get(match["short"] or "", "")),
        text,
        count=1,
    )


_LONG = {"'s": " is", "’s": " is", "'ll": " will", "’ll": " will", "'d": " would", "’d": " would"}
