"""What stands before a statement and tells nothing: whom it is said to, and that there is news.

"Lena, I quit smoking" is about the user, not about Lena; "My brother has news: he moved to Leeds"
tells of the move alone. English, German, Spanish, French.
"""

from __future__ import annotations

import re

from tsubasa_cli.memory.function_words import function_words
from tsubasa_cli.memory.third_person.verbs import IRREGULAR_PAST
from tsubasa_cli.memory.wordlist import words_of

_GRACE = (
    r"(?:(?:some|a|an|the|any|more|very|big|great|good|bad|sad|happy|exciting|wonderful|terrible|"
    r"huge|small|little|quick|other|new|amazing|lovely|funny|fun|weird|one|last|another|best|worst|"
    r"gute|guten|große|großen|schlechte|tolle|traurige|schöne|neue|eine|einen|ein|"
    r"una|un|unas|buenas|malas|grandes|buena|mala|gran|otra|"
    r"une|de|des|bonnes?|mauvaises?|grandes?|petites?|autre) )*"
)
_AFTER = (
    r"(?:,? (?:too|also|as well|for you|to (?:share|tell|announce)|today|again|at last|finally|"
    r"official|this time|(?:about|from|of) [\w'’ -]{2,40}|auch|für dich|zu erzählen|"
    r"von [\w -]{2,40}|también|para ti|que contar|de [\w -]{2,40}|aussi|pour toi|"
    r"à (?:te )?dire|à annoncer))*"
)
_HAVING = (
    r"(?:has|have|had|got|['’](?:s|ve) got|brings?|shares?|shared|there(?:['’]s| is| are)|"
    r"here(?:['’]s| is| are)|hat|habe|haben|es gibt|gibt es|tiene|tengo|tenemos|hay|traigo|"
    r"a|ai|j['’]ai|on a|il y a|voici)"
)
_NEWS = (
    r"(?:news|updates?|announcements?|confession|neuigkeit(?:en)?|nachricht(?:en)?|neues|"
    r"noticias?|novedad(?:es)?|nouvelles?|nouveau|annonce)"
)
_ANNOUNCING = re.compile(
    rf"(?i)^\W*(?:(?:[\w'’-]+ ){{0,6}}{_HAVING} (?:etwas |was |algo |du )?)?"
    rf"{_GRACE}{_NEWS}{_AFTER}\W*$|"
    r"^\W*(?:[\w'’-]+ ){1,4}?(?:(?:has|have|had|just|finally|really|actually|also) )*"
    rf"(?:did|done|made) it{_AFTER}\W*$|"
    r"^\W*(?:guess what|you won['’]t believe (?:it|this|what)|it|this|something)?"
    r"(?: (?:just|finally|really|actually|has|also|big|good|bad|sad|funny|great|terrible))*"
    r" ?(?:happened|has happened)(?: (?:today|yesterday|again|here|to (?:me|us)))?\W*$|"
    r"^\W*guess what\W*$|"
    rf"^\W*(?:(?:oh|and|just|here(?:['’]s| is)|there(?:['’]s| is)),? )*{_GRACE}(?:thing|fact)"
    r"(?: is)?\W*$|"
    r"^\W*(?:[\w-]+ ){1,4}?(?:hat|habe|haben) es (?:endlich |jetzt |tatsächlich )*"
    r"(?:geschafft|getan)\W*$|^\W*(?:es|etwas) ist (?:\w+ )?passiert\W*$|"
    r"^\W*(?:[\w-]+ ){0,4}?(?:por fin |finalmente |al final )*lo (?:(?:he|ha|hemos) )?"
    r"(?:hice|hizo|hecho|logré|logró|logrado|conseguí|consiguió|conseguido)\W*$|"
    r"^\W*(?:ha pasado algo|pasó algo)(?: \w+)?\W*$|"
    r"^\W*(?:[\w-]+ ){0,4}?(?:l['’](?:ai|a|ont|avons)) (?:enfin |finalement )*fait\W*$|"
    r"^\W*(?:ça y est|c['’]est fait|quelque chose (?:est arrivé|s['’]est passé))\W*$"
)


def announces(text: str) -> bool:
    """Whether ``text`` only says that something is to be told."""
    return _ANNOUNCING.match(text) is not None


_NAME = r"(?-i:[A-ZÀ-Þ][a-zß-ÿ'’-]+)"
_OWN = r"(?:my|our|mein\w*|unser\w*|mis?|nuestr[oa]s?|mon|ma|mes|notre|nos)"
_PAST = "|".join(sorted(IRREGULAR_PAST))
_VERB = (
    r"(?:(?:is|are|was|were) (?:now|back|pregnant|married|engaged|ill|sick|\w+ing)|"
    rf"has|had|will|just|finally|also|{_PAST}|(?-i:(?!is|was|has)[a-z]{{2,}}(?:ed|s))|"
    r"hat|wird|wohnt|arbeitet|heißt|zieht|tiene|vive|trabaja|se|ha|"
    r"(?-i:[a-zñáéíóú]{2,}ó)|habite|travaille|s['’]est|vit)"
)
"""What a person does; "Graz, Austria is …" is one place."""
_ADDRESSED = re.compile(
    rf"(?i)^\W*(?P<name>{_NAME}(?: {_NAME})?), "
    rf"(?:(?:I|we|ich|wir|yo|je|nous|il|elle|he|she|they)\b(?! and\b)|"
    rf"(?:I|we|he|she|they)['’]|j['’]|"
    rf"(?:me|nos|soy|estoy|tengo|vivo|trabajo|voy|ya no|dejé|compré|vendí|empecé) |"
    rf"{_OWN} (?![^,.;:!?]{{1,40}},)(?![^,.;:!?]{{1,30}} (?:and|und|y|et) (?:I|ich|yo|moi)\b)|"
    rf"{_NAME} {_VERB}\b)"
)
_NO_NAME = words_of(
    "yesterday today tonight tomorrow monday tuesday wednesday thursday friday saturday sunday "
    "january february march april may june july august september october november december spring "
    "summer autumn fall winter christmas easter sometimes once afterwards meanwhile nowadays "
    "however therefore besides anyway still otherwise instead overall indeed thankfully alas "
    "correction update sorry thanks please yes no well okay "
    "gestern heute morgen früher danach manchmal jedoch außerdem seitdem montag dienstag mittwoch "
    "donnerstag freitag samstag sonntag ayer hoy mañana antes después ahora además luego entonces "
    "lunes martes miércoles jueves viernes sábado domingo hier demain avant ensuite maintenant "
    "parfois lundi mardi mercredi jeudi vendredi samedi dimanche enfin finalement désormais"
)
_ADVERB = re.compile(r"(?i)\w{3,}(?:ly|mente|erweise|ement)$")
_LITTLE = frozenset().union(*map(function_words, ("en", "de", "es", "fr")))


def without_address(text: str) -> str:
    """``text`` without the name of whom it is said to: "Lena, I quit" is "I quit"."""
    said = _ADDRESSED.match(text)
    if said is None or not all(map(_may_be_name, said["name"].split())):
        return text
    return text[said.end("name") :].lstrip(" ,")


def _may_be_name(word: str) -> bool:
    plain = word.casefold()
    return not (plain in _NO_NAME or plain in _LITTLE or _ADVERB.match(plain))
