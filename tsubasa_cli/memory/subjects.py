"""Whom a statement is about: the user, or somebody of the user's.

A person beside the user is ``"sister"``, ``"sister anna"`` or ``"anna"``: the relation and the name
together tell a sister Anna from a cousin Anna.
"""

from __future__ import annotations

import re
from functools import cache

from tsubasa_cli.memory.narrative import current_part

USER = "user"

RELATIONS = {
    "sister": "sister|sis|schwester|hermana|sœur|soeur",
    "brother": "brother|bro|bruder|hermano|frère|frere",
    "mother": "mother|mom|mum|mama|mutter|madre|mamá|mère|mere|maman",
    "father": "father|dad|papa|vater|padre|papá|père|pere",
    "parents": "parents|folks|eltern|padres",
    "wife": "wife|ehefrau|frau|esposa|mujer|femme|épouse",
    "husband": "husband|hubby|ehemann|mann|esposo|marido|mari|époux",
    "partner": "partner|partnerin|lebensgefährte|pareja|compagnon|compagne",
    "girlfriend": "girlfriend|freundin|novia|copine|petite amie",
    "boyfriend": "boyfriend|novio|copain|petit ami",
    "fiancé": "fiancée?|fiancee?|verlobter?|prometid[oa]",
    "daughter": "daughter|tochter|hija|fille",
    "son": "son|sohn|hijo|fils",
    "child": "child|kid|baby|kind|bebé|enfant|bébé",
    "children": "children|kids|kinder|hijos|enfants",
    "grandmother": "grandmother|grandma|granny|nana|oma|großmutter|abuela|grand-mère|mamie",
    "grandfather": "grandfather|grandpa|granddad|opa|großvater|abuelo|grand-père|papi",
    "aunt": "aunt|auntie|tante|tía",
    "uncle": "uncle|onkel|tío|oncle",
    "cousin": "cousin|cousine|prim[oa]",
    "niece": "niece|nichte|sobrina|nièce",
    "nephew": "nephew|neffe|sobrino|neveu",
    "twin": "twin",
    "stepmother": "stepmother|stepmom|stiefmutter|madrastra|belle-mère",
    "stepfather": "stepfather|stepdad|stiefvater|padrastro|beau-père",
    "mother-in-law": "mother-in-law|schwiegermutter|suegra",
    "father-in-law": "father-in-law|schwiegervater|suegro",
    "sister-in-law": "sister-in-law|schwägerin|cuñada|belle-sœur",
    "brother-in-law": "brother-in-law|schwager|cuñado|beau-frère",
    "friend": "best friend|friend|buddy|pal|mate|freund|amig[oa]|amie?|pote",
    "neighbour": "neighbou?r|nachbar|nachbarin|vecin[oa]|voisine?",
    "colleague": "colleague|coworker|co-worker|kollege|kollegin|compañer[oa]|collègue",
    "boss": "boss|manager|supervisor|chef|chefin|jef[ea]",
    "flatmate": "flatmate|roommate|housemate|mitbewohner|mitbewohnerin|coloc|colocataire",
    "ex": "ex|ex-wife|ex-husband|ex-girlfriend|ex-boyfriend|ex-partner",
    "teacher": "teacher|lehrer|lehrerin|profesora?",
}
_KIN = "|".join(
    sorted((w for v in RELATIONS.values() for w in v.split("|")), key=len, reverse=True)
)
_OWNER = r"(?:the user|user|i|he|she|they|we)"
_ADJECTIVE = (
    r"(?:(?:older|younger|elder|little|big|eldest|youngest|oldest|twin|half|late|new|best|close|"
    r"old|"
    r"good|ältere?|jüngere?|große|kleine|beste)\s+)*"
)
_NAME = r"(?-i:[A-ZÀ-Þ][\wÀ-ÿ'’-]*)"
_HEADS = (
    # en: "the user's sister Anna", "my sister", "Tom's sister (called) Anna"
    rf"(?:the user['’]s|user['’]s|my|our|his|her|their|{_NAME}['’]s?)\s+"
    rf"{_ADJECTIVE}(?P<kin>{_KIN})\b(?:,?\s+(?:called\s+|named\s+)?(?P<name>{_NAME}),?)?",
    # en: "Anna, the user's sister"
    rf"(?P<name>{_NAME}),\s+(?:the user['’]s|my)\s+{_ADJECTIVE}(?P<kin>{_KIN})\b,?",
    # de: "meine Schwester (Anna)", "die Schwester (Anna) des Nutzers"
    rf"(?:meine?|seine?|ihre?)\s+{_ADJECTIVE}(?P<kin>{_KIN})\b(?:\s+(?P<name>{_NAME}))?",
    rf"(?:die|der|das)\s+{_ADJECTIVE}(?P<kin>{_KIN})\b(?:\s+(?P<name>{_NAME}))?\s+(?:des|der|"
    rf"von)\s+"
    r"(?:nutzers|nutzerin|benutzers|benutzerin)",
    # es, fr: "mi hermana (Ana)", "la sœur (Anne) de l'utilisateur"
    rf"(?:mis?|sus?|mon|ma|mes|son|sa|ses)\s+(?P<kin>{_KIN})\b(?:\s+(?P<name>{_NAME}))?",
    rf"(?:la|el|le|l['’])\s*(?P<kin>{_KIN})\b(?:\s+(?P<name>{_NAME}))?\s+"
    r"(?:de\s+la\s+|de\s+l['’]|del\s+|de\s+)(?:usuari[oa]|utilisat(?:eur|rice))",
)
_USER_HEADS = (
    r"(?:the user|user|i|der (?:be)?nutzer|die (?:be)?nutzerin|ich|(?:el|la) usuari[oa]|yo|"
    r"l['’]utilisat(?:eur|rice)|je|j['’])(?=\W|$)",
    r"(?:my|mein[er]?|mis?|mon|ma|mes)\b",
)
_USER_GENITIVE = re.compile(
    r"(?:(?:der|die|das|el|la|le)\s+|l['’])(\w+(?: \w+)?)\s+(?:des (?:be)?nutzers|"
    r"der (?:be)?nutzerin|del usuario|de la usuaria|de l['’]utilisat(?:eur|rice))(?=\W)",
    re.IGNORECASE,
)
_NAMING = re.compile(
    rf"(?:['’]s name)?(?: (?:of the user|des nutzers|der nutzerin|del usuario|de la usuaria))?"
    rf" (?:is|are|was|were|es|ist|est|heißt|heißen|se llaman?|s['’]appell(?:e|ent))"
    rf"(?: (?:called|named))? (?:(?:Mr|Mrs|Ms|Dr)\.? )?{_NAME}(?: {_NAME})?"
    rf"(?:(?:, | and | und | y | et |, and ){_NAME})*"
    rf"(?:,? (?:not|nicht|no|pas|and not) {_NAME})?\W*$",
    re.IGNORECASE,
)
_POSSESSIVE_HEAD = re.compile(r"[A-ZÀ-Þ][\wÀ-ÿ-]*['’]s?(?=\s)")


def subject_of(statement: str, owner: str = "") -> str:
    """Who ``statement`` is about: ``"user"``, ``"sister anna"``, ``"sister"``, or a bare name.

    Who somebody is to the user ("the user's wife is called Ana") is about the user. ``owner`` is
    the user's name as statements use it; a statement that begins with any other name is about
    that person.
    """
    head = _kin_head(statement)
    if head is not None:
        if _NAMING.match(statement.strip(), head.end("kin")):
            return USER
        kin, name = _canonical(head["kin"]), head["name"] or ""
        return f"{kin} {name.casefold()}".strip()
    first = re.match(rf"{_NAME}", statement)
    is_stranger = first and owner and first[0].casefold() != owner.split()[0].casefold()
    if is_stranger and first and not _names_user(statement) and _leads_a_verb(statement, first):
        return first[0].removesuffix("'s").removesuffix("’s").casefold()
    return USER


def same_subject(first: str, second: str) -> float:
    """1 for the same person, 0 for two different ones, 0.5 where a name or relation is missing."""
    if first == second:
        return 1.0
    if USER in (first, second):
        return 0.0
    left, right = set(_normal(first).split()), set(_normal(second).split())
    return 0.5 if left and right and (left <= right or right <= left) else 0.0


def predicate_of(statement: str, subject: str = USER) -> str | None:
    """What ``statement`` says of ``subject``: the words after it, ``'s …`` for what it owns.

    None where the statement is about somebody else. Of a narrative, only what holds today counts.
    """
    text = _subject_first(re.sub(r"\s+", " ", current_part(statement).strip()))
    head = _kin_head(text)
    if head is not None:
        if _normal(subject) == USER:
            return f"'s {text[head.start('kin') :]}"
        return text[head.end() :]
    owned = _USER_GENITIVE.match(text)
    head_end = _user_head_end(text)
    if owned or head_end:
        if _normal(subject) != USER:
            return None
        return f"'s {owned[1]}{text[owned.end() :]}" if owned else _owned(text, head_end)
    named = _POSSESSIVE_HEAD.match(text)
    return f" {text}" if named is None else f"'s{text[named.end() :]}"


_TIME_FIRST = re.compile(
    r"(?:(?:now|today|yesterday|recently|currently|finally|nowadays|meanwhile|maintenant|désormais|"
    r"depuis|ahora|desde|since|in|on|at|for|after|last|this|en|el|le)\b"
    r"(?! the (?:past|old days)| (?:a|my|another) (?:dream|former))[^;.]{0,60}?,? )"
    r"(?=(?:the user|el usuario|la usuaria|l['’]utilisat(?:eur|rice))\b)",
    re.IGNORECASE,
)
_VERB_FIRST = re.compile(
    r"(?:am|im|in|seit|vor|ab|jetzt|nun|heute|gestern|vorgestern|inzwischen|mittlerweile|seitdem|"
    r"letzte\w*|diese\w*) ?[^;,]{0,40}? ?\b(?P<verb>\w+) (?P<who>(?:der|"
    r"die) (?:be)?nutzer(?:in)?)\b",
    re.IGNORECASE,
)


def _subject_first(text: str) -> str:
    """``text`` without the time that it begins with ("Am 3. Mai zog der Nutzer …")."""
    german = _VERB_FIRST.match(text)
    if german:
        return f"{german['who']} {german['verb']}{text[german.end() :]}"
    first = _TIME_FIRST.match(text)
    return text[first.end() :] if first else text


def _owned(text: str, end: int) -> str:
    is_mine = re.fullmatch(r"(?:my|mein\w*|mis?|mon|ma|mes)", text[:end], re.IGNORECASE)
    return f"'s{text[end:]}" if is_mine else text[end:].replace("’s", "'s", 1)


def _user_head_end(text: str) -> int:
    """Where the words for the user end that ``text`` begins with, or 0."""
    return next((m.end() for m in (p.match(text) for p in _user_heads()) if m), 0)


def _names_user(statement: str) -> bool:
    return bool(_user_head_end(statement)) or "the user" in statement[:40].casefold()


def _leads_a_verb(text: str, first: re.Match[str]) -> bool:
    """A name, not an ordinary word that begins a sentence: a lower-case word follows."""
    rest = text[first.end() :]
    return re.match(r"(?:['’]s)?\s+[a-zß-ÿ]", rest) is not None and len(first[0]) > 1


def _normal(subject: str) -> str:
    lowered = re.sub(r"^(?:the )?user['’]s\s+|^(?:my|the)\s+", "", subject.casefold().strip())
    words = [_canonical(word) for word in lowered.split()]
    return " ".join(words) or USER


def _canonical(kin: str) -> str:
    lowered = kin.casefold()
    return next((name for name, words in _relations() if words.fullmatch(lowered)), lowered)


@cache
def _relations() -> tuple[tuple[str, re.Pattern[str]], ...]:
    return tuple((name, re.compile(words)) for name, words in RELATIONS.items())


@cache
def _user_heads() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in _USER_HEADS)


@cache
def _heads() -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.IGNORECASE) for pattern in _HEADS)


def _kin_head(statement: str) -> re.Match[str] | None:
    text = statement.strip()
    return next((m for m in (pattern.match(text) for pattern in _heads()) if m), None)
