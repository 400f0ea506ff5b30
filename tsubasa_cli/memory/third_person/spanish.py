"""Spanish: "Vendí mi coche" becomes "El usuario vendió su coche"."""

from __future__ import annotations

import re

from tsubasa_cli.memory.wordlist import words_of

_THIRD = {
    "soy": "es", "estoy": "está", "tengo": "tiene", "voy": "va", "he": "ha", "hago": "hace",
    "vengo": "viene", "quiero": "quiere", "puedo": "puede", "prefiero": "prefiere", "odio": "odia",
    "sé": "sabe", "doy": "da", "pongo": "pone", "salgo": "sale", "digo": "dice", "juego": "juega",
    "duermo": "duerme", "pienso": "piensa", "conozco": "conoce", "conduzco": "conduce",
    "nací": "nació", "fui": "fue", "tuve": "tuvo", "hice": "hizo", "estuve": "estuvo",
    "puse": "puso", "vine": "vino", "quise": "quiso", "pude": "pudo", "supe": "supo", "di": "dio",
    "vi": "vio", "dije": "dijo", "dormí": "durmió", "preferí": "prefirió", "debo": "debe",
    "vivo": "vive", "como": "come", "bebo": "bebe", "leo": "lee", "corro": "corre", "creo": "cree",
    "aprendo": "aprende", "escribo": "escribe", "sufro": "sufre", "vendo": "vende", 
    "suelo": "suele",
    "era": "era", "tenía": "tenía", "vivía": "vivía", "trabajaba": "trabajaba", "iba": "iba",
    "empiezo": "empieza", "llevo": "lleva", "hablo": "habla", "quisiera": "quisiera",
}  # fmt: skip
_LEADING = words_of(
    "de del yo no ya también ayer hoy mañana ahora anoche siempre nunca hace antes después desde "
    "en el la "
    "los las año mes semana pasado pasada próximo próxima mayo enero febrero marzo abril junio "
    "julio "
    "agosto septiembre octubre noviembre diciembre lunes martes miércoles jueves viernes sábado "
    "domingo que viene acabo por fin finalmente casi solo un una tres dos cuatro cinco años meses"
)
_CLITIC = words_of("me lo la los las le les se")
_TOKEN = re.compile(r"[^\W_]+|\s+|.", re.DOTALL)
_OWN = {"mi": "su", "mis": "sus", "nuestro": "su", "nuestra": "su", "nuestros": "sus",
        "nuestras": "sus", "mío": "suyo", "mía": "suya", "conmigo": "consigo"}  # fmt: skip


def tell(text: str, name: str) -> str | None:
    """``text`` with its speaker as ``name`` ("" for "el usuario"); None where that is not sure."""
    tokens = _TOKEN.findall(text)
    words = [token.casefold() for token in tokens]
    if words[0] in {"mi", "mis"}:
        return _tell_of_own(tokens, words, name)
    for place, word in enumerate(words):
        if not word.isalpha():
            continue
        if word == "me":
            return _with_me(tokens, words, place, name)
        third = _third(word)
        if third is not None:
            return _told(tokens, words, place, third, name)
        if word not in _LEADING and word not in _CLITIC and not word.isdigit():
            return None
    return None


def _third(verb: str) -> str | None:
    if verb in _THIRD:
        return _THIRD[verb]
    if verb.endswith("qué"):
        return f"{verb[:-3]}có"
    if verb.endswith("gué"):
        return f"{verb[:-3]}gó"
    if verb.endswith("cé"):
        return f"{verb[:-2]}zó"
    if verb.endswith("é") and len(verb) > 3:
        return f"{verb[:-1]}ó"
    if verb.endswith("í") and len(verb) > 3:
        return f"{verb[:-1]}ió"
    if verb.endswith("o") and len(verb) > 3 and verb not in _LEADING:
        return f"{verb[:-1]}a"
    return None


def _told(tokens: list[str], words: list[str], place: int, third: str, name: str) -> str | None:
    """The speaker before the verb, and before a "no" or a clitic that belongs to it."""
    rest = _with_second_verb(tokens[place + 1 :])
    if any(_is_first_person(word) for word in _TOKEN.findall(rest.casefold())):
        return None
    start = place
    while start >= 2 and words[start - 2] in _CLITIC | {"no", "yo", "ya", "también", "nunca"}:
        start -= 2
    before = "".join(tokens[:start])
    between = "".join(
        t for t, w in zip(tokens[start:place], words[start:place], strict=True) if w != "yo"
    )
    who = name or "el usuario"
    return _own(f"{before}{who} {between.lstrip().casefold()}{third}{rest}")


def _with_second_verb(tokens: list[str]) -> str:
    """ "… y trabajo en un banco": a verb that "y" joins to the first, known by what follows, or by
    the adverb before it ("…, ahora trabajo"), and every form that can be nothing but a verb."""
    text = re.sub(
        r"(?<= y )((?:no |también |ahora )?)(\w+)(?= (?:en|de|con|como|para|a|desde|por)\b)",
        lambda match: match.group(1) + (_third(match.group(2)) or match.group(2)),
        "".join(tokens),
    )
    text = _AFTER_ADVERB.sub(
        lambda match: match.group(1) + (_third(match.group(2)) or match.group(2)), text
    )
    plain = _THIRD.keys() - _NOT_ONLY_VERBS
    return "".join(_THIRD[word] if word in plain else word for word in _TOKEN.findall(text))


_AFTER_ADVERB = re.compile(
    r"(?<=[,;] )((?:pero )?(?:ahora|también|además|luego|hoy|ya no|todavía|siempre|nunca) (?:no )?)"
    r"((?!mismo|solo|todo|mucho|poco|tanto|otro|algo|nuevo|bueno|malo|cierto|claro|medio|tiempo)"
    r"\w{3,}[oéí])\b"
)
_NOT_ONLY_VERBS = {"como", "era", "di", "vi", "sé", "creo", "juego", "odio", "vendo", "fui"}


def _is_first_person(word: str) -> bool:
    """A second verb of the speaker's, which would have to change as well."""
    return word in {
        "yo",
        "me",
        "soy",
        "estoy",
        "tengo",
        "voy",
        "he",
        "nos",
        "somos",
        "estamos",
    } or (word in _THIRD and word not in {"como", "era", "di", "vi", "sé"})


def _with_me(tokens: list[str], words: list[str], place: int, name: str) -> str | None:
    """ "Me gusta" becomes "A el usuario le gusta", "me mudé" "El usuario se mudó"."""
    verb = next((i for i in range(place + 1, len(words)) if words[i].isalpha()), None)
    if verb is None:
        return None
    third = _third(words[verb])
    if third is not None:
        changed = [*tokens]
        changed[place], words[place] = "se", "se"
        return _told(changed, words, verb, third, name)
    if not words[verb].endswith(("a", "an", "e", "en", "ó")):
        return None
    negated = place >= 2 and words[place - 2] == "no"
    before = "".join(tokens[: place - 2 if negated else place])
    whom = f"a {name}" if name else "al usuario"
    told = f"{before}{whom} {'no ' if negated else ''}le {_with_second_verb(tokens[verb:])}"
    return None if any(_is_first_person(word) for word in words[verb + 1 :]) else _own(told)


def _tell_of_own(tokens: list[str], words: list[str], name: str) -> str | None:
    """ "Mi hermana Ana vive en Roma": "La hermana Ana del usuario …" where the gender is plain."""
    noun = next((i for i in range(1, len(words)) if words[i].isalpha()), None)
    if noun is None or words[0] == "mis" or any(_is_first_person(w) for w in words[noun:]):
        return None
    article = "La" if words[noun].endswith(("a", "ad", "ión")) or words[noun] == "mujer" else "El"
    rest = "".join(tokens[noun + 1 :])
    given = re.match(r"(?: [A-ZÁÉÍÓÚÑ]\w+)?", rest)
    called = given.group() if given else ""
    owner = f"de {name}" if name else "del usuario"
    return _own(f"{article} {tokens[noun]}{called} {owner}{rest[len(called) :]}")


def _own(text: str) -> str:
    return "".join(_OWN.get(token.casefold(), token) for token in _TOKEN.findall(text))
