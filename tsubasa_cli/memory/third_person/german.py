"""German: "Ich habe mein Auto verkauft" becomes "Der Nutzer hat sein Auto verkauft"."""

from __future__ import annotations

import re

from tsubasa_cli.memory.wordlist import words_of

_IRREGULAR = {
    "bin": "ist", "habe": "hat", "hab": "hat", "werde": "wird", "esse": "isst", "fahre": "fährt",
    "lese": "liest", "spreche": "spricht", "nehme": "nimmt", "gebe": "gibt", "sehe": "sieht",
    "trage": "trägt", "schlafe": "schläft", "laufe": "läuft", "halte": "hält", "treffe": "trifft",
    "helfe": "hilft", "vergesse": "vergisst", "verlasse": "verlässt", "fange": "fängt",
    "falle": "fällt", "wasche": "wäscht", "backe": "backt", "wachse": "wächst", "lade": "lädt",
    "trete": "tritt", "werfe": "wirft", "empfehle": "empfiehlt", "bewerbe": "bewirbt",
    "heiße": "heißt", "tue": "tut", "weiß": "weiß",
}  # fmt: skip
_SAME = words_of(
    "war hatte wurde kann konnte muss musste will wollte darf durfte soll sollte mag mochte möchte "
    "würde könnte dürfte müsste wäre hätte ging kam fand bekam bekomme zog fuhr flog las sah aß "
    "trank "
    "schrieb blieb begann verlor gewann traf nahm gab hieß ließ lief schlief sprach starb stand "
    "saß "
    "verließ wuchs wusste brachte dachte kannte half hielt lag rief schnitt schwamm sang "
    "unterschrieb"
) - {"bekomme"}
_ADVERBS = words_of(
    "auch schon gerade jetzt nun noch nicht nie immer oft gern gerne wirklich selbst übrigens aber "
    "heute gestern morgen seit leider endlich ja mal sehr nur dann dort hier"
)
_OWN = {"": "sein", "e": "seine", "en": "seinen", "em": "seinem", "er": "seiner", "es": "seines"}
_SUBORDINATORS = words_of("weil dass wo wenn als seit bevor da nachdem obwohl während bis")
_FEMALE = words_of(
    "schwester mutter frau freundin tochter oma tante nichte cousine katze chefin kollegin mama "
    "ehefrau verlobte nachbarin mitbewohnerin großmutter schwägerin schwiegermutter familie "
    "wohnung "
    "arbeit adresse lieblingsfarbe lieblingsband hochzeit firma partnerin"
)
_MALE = words_of(
    "bruder vater mann freund sohn opa onkel neffe cousin hund kater chef kollege papa ehemann "
    "name "
    "geburtstag verlobter nachbar mitbewohner großvater schwager schwiegervater job beruf partner"
)
_TOKEN = re.compile(r"[^\W_]+|\s+|.", re.DOTALL)
_SECOND_VERB = re.compile(
    r"((?:, | und | aber )(?:auch )?)([a-zäöü]{3,}e)(?= (?:in|an|bei|als|mit|gern|auf|für|"
    r"seit|im|am|zu|nicht|kein|ein|eine|einen|einem|den|die|das|dort|nach|viel|sehr)\b)"
)
_SECOND_AUXILIARY = re.compile(r"((?:,| und| aber) )(bin|habe|werde)\b")
_MINE = re.compile(r"(?i)mein(e|en|em|er|es)?")
_OURS = re.compile(r"(?i)uns(?:er|re)(e|en|em|er|es|n|m|s)?")


def tell(text: str, name: str) -> str | None:
    """``text`` with its speaker as ``name`` ("" for "der Nutzer"); None where the verb or a
    possessive cannot be told for sure."""
    tokens = _TOKEN.findall(text)
    words = [token.lower() for token in tokens]
    if "ich" in words:
        return _tell_of_self(tokens, words, name)
    if "wir" in words:
        return None if {"mir", "mich", "uns"} & {*words} else _tell_of_us(tokens, name)
    return _tell_of_own(tokens, words, name) if _MINE.fullmatch(words[0]) else None


def _tell_of_self(tokens: list[str], words: list[str], name: str) -> str | None:
    out = list(tokens)
    for place, word in enumerate(words):
        if word != "ich":
            continue
        verb = _verb_place(_without_nouns(tokens, words), place)
        told = _third(words[verb]) if verb is not None else None
        if verb is None or told is None:
            return None
        out[verb] = told.capitalize() if verb == 0 else told
        out[place] = name or "der Nutzer"
    told = "".join(_referring(token, name) for token in out)
    told = _SECOND_VERB.sub(lambda match: match[1] + (_third(match[2]) or match[2]), told)
    return _SECOND_AUXILIARY.sub(lambda match: match[1] + _IRREGULAR[match[2]], told)


def _tell_of_us(tokens: list[str], name: str) -> str:
    who = f"{name or 'der Nutzer'} und andere"
    told = (who if token.casefold() == "wir" else token for token in tokens)
    return "".join(_OURS.sub(lambda own: f"ihr{own.group(1) or ''}", token) for token in told)


def _without_nouns(tokens: list[str], words: list[str]) -> list[str]:
    """``words`` with a capital kept where the text has one, so that no noun passes for a verb."""
    cased = [t if t[0].isupper() else w for t, w in zip(tokens, words, strict=True)]
    return [words[0], *cased[1:]]


def _verb_place(words: list[str], ich: int) -> int | None:
    """The finite verb beside "ich": before it ("gestern habe ich"), else after it."""
    if ich > 1 and words[ich - 2] in _SUBORDINATORS:
        return _clause_end(words, ich)
    before = _nearest(words, ich, -1)
    if before is not None and _third(words[before]) is not None:
        return before
    after = _nearest(words, ich, 1)
    if after is not None and _third(words[after]) is not None:
        return after
    return None


def _nearest(words: list[str], place: int, step: int) -> int | None:
    place += step
    while 0 <= place < len(words) and (words[place].isspace() or words[place] in _ADVERBS):
        place += step
    return place if 0 <= place < len(words) and words[place].isalpha() else None


def _clause_end(words: list[str], ich: int) -> int | None:
    """Where the verb of a subordinate clause stands ("weil ich in Wien wohne"): before the mark."""
    if ich < 2 or words[ich - 2] not in {
        "weil",
        "dass",
        "wo",
        "wenn",
        "als",
        "seit",
        "bevor",
        "da",
    }:
        return None
    end = next((i for i in range(ich, len(words)) if words[i] in ",.;!"), len(words))
    last = _nearest(words, end, -1)
    return last if last is not None and last > ich and _third(words[last]) else None


def _third(verb: str) -> str | None:
    """The third person of a verb in the first, None for what may be no verb."""
    if verb in _IRREGULAR:
        return _IRREGULAR[verb]
    if verb in _SAME or (verb.endswith("te") and len(verb) > 4):
        return verb if verb not in {"arbeite", "heirate", "beobachte", "bite"} else _regular(verb)
    return _regular(verb) if verb.endswith("e") and len(verb) > 3 else None


def _regular(verb: str) -> str:
    stem = verb[:-1]
    if stem.endswith(("eine", "dies", "all")):
        return verb
    return stem + ("et" if stem.endswith(("t", "d", "chn", "ffn", "tm", "gn")) else "t")


def _referring(token: str, name: str) -> str:
    low = token.casefold()
    if low in {"mir", "mich"}:
        return "sich"
    mine = _MINE.fullmatch(token)
    if mine is None:
        return token
    own = f"{name}s" if name else _OWN[(mine.group(1) or "").casefold()]
    return own.capitalize() if token[0].isupper() and not name else own


def _tell_of_own(tokens: list[str], words: list[str], name: str) -> str | None:
    """ "Meine Schwester wohnt in Wien": "Die Schwester des Nutzers …"."""
    noun = _nearest(words, 0, 1)
    if noun is None or "mir" in words or "mich" in words or "uns" in words:
        return None
    rest = "".join(tokens[noun + 1 :])
    if any(_MINE.fullmatch(token) or _OURS.fullmatch(token) for token in tokens[noun + 1 :]):
        return None
    if name:
        return f"{name}s {tokens[noun]}{rest}"
    article = "Die" if words[noun] in _FEMALE else "Der" if words[noun] in _MALE else ""
    given = re.match(r"(?: (?!ist |heißt )[A-ZÄÖÜ]\w+)?", rest)
    called = given.group() if given else ""
    return f"{article} {tokens[noun]}{called} des Nutzers{rest[len(called) :]}" if article else None
