"""A turn taken apart: what the user pasted is set aside, the rest comes in sentences and clauses.

Every piece knows its place in the turn, so that a quote is always an exact substring.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from tsubasa_cli.memory.cue_files import found
from tsubasa_cli.memory.language import language_of
from tsubasa_cli.memory.openings import announces, without_address
from tsubasa_cli.memory.third_person.decoration import parts_sentences


@dataclass(frozen=True, slots=True)
class Piece:
    """``text`` is ``turn_text[start:end]``. ``ends_open`` when a question mark closed the sentence
    that it is the last part of."""

    text: str
    start: int
    end: int
    is_question: bool = False


_FENCE = re.compile(r"```.*?(?:```|\Z)|~~~.*?(?:~~~|\Z)", re.DOTALL)
_INLINE = re.compile(r"`[^`\n]+`|https?://\S+|<[^<>\n]{1,200}>")
_CITED_LINE = re.compile(r"^[ \t]*(?:>|\|).*$", re.MULTILINE)
_CODE_LINE = re.compile(
    r"^(?:[ \t]{4,}\S.*|[ \t]*(?:def |class |import |from \w+ import|return\b|for \w+ in |"
    r"#include|SELECT\b|INSERT\b|UPDATE \w+ SET|Traceback|File \"|public |private |const |let |"
    r"var |function\b|\$ |sudo |pip |npm |git ).*|.*[;{}]\s*|.*(?:=>|==|&&|\|\||\(\)).*|"
    r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*|\[?(?:ERROR|WARN|INFO|DEBUG)\b.*)$",
    re.MULTILINE,
)
_HEADER = re.compile(r"^(?:From|To|Subject|Date|Cc|Von|An|Betreff): .*$", re.MULTILINE)
_PASTE = re.compile(
    r"(?is)\b(?:translat\w*|summar\w*|proof-?read|rewrite|rephrase|paraphrase|correct|edit|improve|"
    r"review|polish|shorten|fix|check|analy[sz]e|explain|format|continue|complete|classify|"
    r"here(?:'s| is| are)|this is|the following|below is|übersetz\w*|korrigier\w*|fass\w*|"
    r"traduce\w*|traduire|traduis|traduisez|corrige\w*|resume\w*|résume\w*)\b[^\n.!?]{0,120}?"
    r"(?:text|texts|email|e-mail|mail|letter|essay|paragraph|sentence|sentences|poem|lyrics|code|"
    r"message|story|article|passage|quote|dialogue|transcript|notes|prompt|into \w+|to \w+|"
    r"grammar|this|following|below|it|Satz|Brief|Absatz|texto|frase|texte|phrase)?[^\n.!?:]{0,30}:"
    r"\s{1,3}(?=\S)"
)
_INTRODUCTION = re.compile(r"(?i)(?:my|the user's|our) (?:name|address|number|e-?mail)\b")
_SALUTATION = re.compile(
    r"(?m)^(?:Dear|Sehr geehrte\w*|Estimad\w+|Chère?|Madame|Monsieur) [^\n]*,$"
)
_QUOTED = re.compile(
    r"\"[^\"\n]{2,400}\"|“[^”\n]{2,400}”|„[^“”\n]{2,400}[“”]|«[^»\n]{2,400}»|"
    r"(?<!\w)'[^'\n]{2,400}'(?!\w)|‘[^’\n]{2,400}’(?!\w)|「[^」\n]{1,400}」"
)
_ABBREVIATION = re.compile(
    r"(?i)(?:\b(?:mr|mrs|ms|dr|prof|st|vs|etc|no|jr|sr|sra|mme|mlle|bzw|ca|ggf|inkl|nr|str|approx|"
    r"dept|inc|ltd|co|jan|feb|mar|apr|jun|jul|aug|sep|sept|oct|nov|dec|u\.s|e\.g|i\.e|z\.\s?b|"
    r"d\.\s?h|p\.\s?ej|a\.m|p\.m)|\b[A-Z])\.$"
)
_ORDINAL = re.compile(r"(?:^|\s)\d{1,2}\.$")
_PICTURE = re.compile(r"[\U0001f300-\U0001faff\u2600-\u27bf\ufe0f]+$")
_END = re.compile(rf"[.!?…]+[\"'”’)\]»]*(?=\s|$)|[。！？]+|\n+|{_PICTURE.pattern[:-1]}(?=\s|$)")
_MOST_LENGTH = 600
"""Characters; a longer sentence is not something said about oneself but a text."""


def mask_quotes(text: str) -> str:
    """``text`` with what stands in quotation marks blanked, same length."""
    return _QUOTED.sub(_long_quote, text)


def _long_quote(match: re.Match[str]) -> str:
    """Titles and names in quotation marks stay; whole sayings go."""
    inner = match.group()[1:-1]
    says_something = re.search(r"(?i)\b(?:i|i'm|my|we|ich|mein\w*|je|mon|ma|yo|mi|you)\b|j'", inner)
    return " " * len(match.group()) if says_something or len(inner.split()) > 6 else match.group()


def own_words(text: str) -> str:
    """``text`` with code, logs, citations and pasted passages blanked, same length."""
    for pattern in (_FENCE, _CITED_LINE, _CODE_LINE, _HEADER, _INLINE):
        text = pattern.sub(_blank, text)
    cut = _paste_start(text)
    return text if cut is None else text[:cut] + _blank_text(text[cut:])


def _paste_start(text: str) -> int | None:
    starts = [
        match.end()
        for match in _PASTE.finditer(text)
        if not (_INTRODUCTION.search(match.group()) or announces(match.group().rstrip(": ")))
    ]
    letter = _SALUTATION.search(text)
    if letter:
        starts.append(letter.start())
    return min(starts, default=None)


def _blank(match: re.Match[str]) -> str:
    return _blank_text(match.group())


def _blank_text(text: str) -> str:
    return re.sub(r"[^\n]", " ", text)


def sentences(text: str) -> list[Piece]:
    """The sentences of the user's own words in ``text``, in order."""
    return [piece for piece in _cut(own_words(text), text) if len(piece.text) <= _MOST_LENGTH]


def _cut(words: str, original: str) -> Iterator[Piece]:
    start = 0
    for match in _END.finditer(words):
        so_far = words[start : match.end()]
        if "\n" not in match.group() and _goes_on(so_far, words[match.end() :]):
            continue
        yield from _piece(words, original, start, match.end())
        start = match.end()
    yield from _piece(words, original, start, len(words))


def _goes_on(so_far: str, rest: str) -> bool:
    """A full stop or a picture that does not end the sentence."""
    following = rest.lstrip(" ")[:1]
    if len(so_far) <= _MOST_LENGTH and _PICTURE.search(so_far):
        return not parts_sentences(so_far, rest, language_of(so_far))
    if not so_far.endswith("."):
        return False
    if _ABBREVIATION.search(so_far) and not so_far.endswith(("etc.", "I.")):
        return bool(following)
    if so_far.endswith(("...", "..")):
        return following.islower()
    return bool(_ORDINAL.search(so_far)) and bool(following) and len(so_far.split()) > 1


def _piece(words: str, original: str, start: int, end: int) -> Iterator[Piece]:
    kept = words[start:end]
    start += len(kept) - len(kept.lstrip(" \t\n-*•"))
    end = start + len(words[start:end].rstrip())
    if any(character.isalnum() for character in words[start:end]):
        is_question = words[start:end].rstrip("\"'”’)]» !").endswith(("?", "？"))
        yield Piece(original[start:end], start, end, is_question)


_I = (
    r"(?:i|i'm|i’m|im|i've|i’ve|i'd|i’d|i'll|i’ll|my|we|we're|we’re|we've|we’ve|we'll|our|"
    r"ich|mein|meine|meinen|wir|unser|unsere|yo|mi|mis|nosotros|je|mon|ma|mes|nous)\b|j['’]\w"
)
_ADVERB = (
    r"(?:(?:also|now|then|currently|recently|next \w+|last \w+|auch|jetzt|nun|seitdem|también|"
    r"ahora|además|luego|hoy|"
    r"aussi|maintenant|désormais) )?"
)
_SPANISH_VERB = (
    r"(?:no |ya no |me )?(?:soy|estoy|tengo|vivo|voy|nací|"
    r"(?:trabajo|estudio|juego|enseño|empecé|dejé|compré|vendí|mudé) (?:en|de|con|como|para|a|por|"
    r"el|la|los|las|un|una|mi|mis))\b"
)
"""Needs no "yo"; what could be a noun does where no such word follows."""
_JOIN = re.compile(
    rf"(?i)(?:,? (?:and|but|so|und|aber|y|pero|et|mais) |, (?:also|plus) |; |, | [–—-]+ )"
    rf"(?={_ADVERB}(?:{_I}|{_SPANISH_VERB}))"
)
_ASKING = re.compile(
    r"(?i)(?:, (?:so |and |but )?|,? so |; | [–—-]+ )(?=(?:what|where|when|which|who|how|why|can|"
    r"could|would|do|does|did|should|is there|are there|is|are|any|anything|anyone|will|was|wo|"
    r"wie|wann|wer|warum|"
    r"welche\w*|kannst|könntest|gibt es|soll|(?:hast|kennst|weißt|würdest|magst|hättest) du|"
    r"haben sie|"
    r"qué|cómo|dónde|cuál\w*|puedes|podrías|hay|(?:me )?(?:tienes|conoces|sabes|recomiendas)|"
    r"que|quoi|où|comment|quand|pourquoi|peux-tu|pouvez-vous|est-ce|quel\w*|"
    r"(?:tu|vous) (?:as|avez|connais\w*|peux|pouvez|sais|savez)|(?:as|connais|sais)-tu)\b|¿)"
)
_BEGGING = re.compile(
    r"(?i)(?:, (?:so |and |but |also |deshalb |darum |daher |así que |por eso |donc |alors )?|"
    r",? so |,? and |; | [–—-]+ )(?=(?:please|pls|plz|can (?:you|u)|"
    r"could (?:you|u)|help me|recommend(?: me)?|suggest|give me|tell me|show me|any (?:tips|ideas|"
    r"advice|suggestions|recommendations)|bitte|kannst du|könntest du|hilf mir|gib mir|sag mir|"
    r"ayúdame|dame|dime|recomiéndame|puedes|aide-moi|donne-moi|dis-moi|peux-tu)\b)"
)
"""Where a sentence that tells something goes on as a wish of the assistant's help."""
_POLITE = r"(?:please|pls|plz|bitte|por favor|s['’]il (?:te|vous) plaît|stp|svp)"
_WISHING = re.compile(
    r"(?i)(?:(?:, |; | [–—-]+ )(?P<so>(?:and |und |y |et )?(?:so|therefore|thus|hence|also|deshalb|"
    r"darum|daher|deswegen|así que|por eso|entonces|donc|alors|du coup)\b,? )?|(?P<so_too> so ))"
    rf"(?!{_POLITE}\W)(?=[^,;:]{{2,60}}(?:, | ){_POLITE}\W*$)"
)
_WANTING = re.compile(
    r"(?i)\b(?:i['’]d|i would|i (?:want|need|take)|i['’]ll (?:take|have)|ich (?:möchte|"
    r"will|brauche|hätte)|quiero|quisiera|necesito|je (?:veux|voudrais)|j['’]aimerais)\b"
)


def is_request(text: str) -> bool:
    """Whether ``text`` asks for something, however politely; "please" alone is no request of one
    who tells something."""
    plain = re.sub(rf"(?i)[,\s]*\b{_POLITE}\W*$", "", text)
    return bool(
        found("speech", "question", plain)
        or found("speech", "request", plain)
        or (plain != text and _WANTING.search(plain))
    )


def _wish_in(head: str) -> re.Match[str] | None:
    """Where ``head``, which tells something, goes on as a wish: "…, so no nuts, please"."""
    match = _WISHING.search(head)
    if match is not None:
        told = head[: match.start()]
        is_joined = match["so"] or match["so_too"]
        if not is_request(told) and (is_joined or not _WANTING.search(told)):
            return match
    begging = _BEGGING.search(head)
    is_order = begging and re.fullmatch(rf"(?i){_POLITE}\W*", head[begging.end() :])
    return None if begging and is_order and _WANTING.search(head[: begging.start()]) else begging


_SUBORDINATE = re.compile(
    r"(?i)^(?:and |but |so |und |aber |y |pero |et |mais )?(?:if|when|whenever|since|after|before|"
    r"because|as|while|although|though|unless|until|once|wenn|als|weil|nachdem|bevor|seit|obwohl|"
    r"falls|si|cuando|porque|aunque|desde que|quand|parce que|lorsque|puisque|depuis que|bien que|"
    r"suppose|imagine|let's say|what)\b"
)


def clauses(sentence: Piece) -> list[Piece]:
    """``sentence`` split where a new statement about the user or theirs begins."""
    masked = mask_quotes(sentence.text)
    asking = _ASKING.search(masked) if sentence.is_question else _wish_in(masked)
    asking = asking if asking and _LEANING_END.search(masked[: asking.start()]) is None else None
    head, tail = (masked[: asking.start()], asking) if asking else (masked, None)
    cuts = [0]
    for match in _JOIN.finditer(head):
        left, right = head[cuts[-1] : match.start()], head[match.end() :]
        if _is_whole(left) and _stands_alone(right):
            cuts.append(match.end())
    more = [m.end() for pattern in (_ABOUT_THEM, _DOING, LAUGHED) for m in pattern.finditer(head)]
    cuts = sorted({*cuts, *more, *_openings(head)})
    ends = [*cuts[1:], len(head)]
    spans = [
        (start, end, sentence.is_question and tail is None)
        for start, end in zip(cuts, ends, strict=True)
    ]
    if tail is not None:
        spans.append((tail.end(), len(masked), True))
    return _pieces(sentence, spans)


def _openings(head: str) -> Iterator[int]:
    """Where a statement begins that is announced ("I have news: …"), or gives the reason of a wish
    ("No nuts, please: …")."""
    for match in re.finditer(r": (?=\w)", head):
        before = head[: match.start()]
        if announces(before) or (
            re.match(rf"(?i){_I}", head[match.end() :]) and is_request(before)
        ):
            yield match.end()


_ABOUT_THEM = re.compile(
    r"(?i)(?<=\bmy )[^,.;?!]{3,40}(?:,| [–—-]) (?=(?:s?he)(?:['’]s| is| has| was| works| lives|"
    r" loves|"
    r" likes| hates| turns| wants)\b)"
)
"""Where somebody of the user's is told more of: "my nephew Jonte, he's 9"."""
_DOING = re.compile(
    r"(?i)(?<=\bi['’]m )(?:an? |in )[^,.;?!]{3,50}, (?=(?:majoring|specialising|specializing|"
    r"working|"
    r"living|studying|teaching|training|interning|renting) (?:in|at|as|for|on|with|to)\b)|"
    r",? so (?=if \w+ (?:ask|want|wonder)\w*\b)|"
    r", (?=(?:bin|hab|habe|wohne|arbeite|lebe) (?:nämlich|halt|ja|eine?|in|bei|als|seit)\b)"
)
"""Where the user goes on about themselves without a new "I"."""
LAUGHED = re.compile(r"(?i), (?=[^,]{1,60}\b(?:(?-i:lol|LOL|Lol)|lmao|rofl|lmfao)\W*$)")
"""Where the last part of a sentence is laughed at, which says nothing of what comes before."""
_LEANING_END = re.compile(r"(?i)(?:^|\b(?:and|or|but|to|the|a|my|of|with|for))\W*$")


def _is_whole(text: str) -> bool:
    """Whether ``text`` says something: more than "my wife" of "my wife and I", no "if …"."""
    plain = without_address(text.strip())
    return not any(p.match(plain) for p in (_SUBORDINATE, _NOUN_ONLY, _TIME_ONLY, _OPENING))


def _stands_alone(text: str) -> bool:
    """Whether ``text`` is understood without what came before: "I quit two years ago" is not."""
    said = [
        word for word in re.findall(r"[^\W_]+(?:['’][^\W_]+)?", text)[1:] if not _FILLS.match(word)
    ]
    return len(said) > 1 and not (_LEANS.search(text) or _OBJECT.match(text))


_OPENING = re.compile(
    r"(?i)^(?:(?:no|nope|wait|oops|whoops|sorry|actually|hang on|hold on|scratch that|ok|okay|"
    r"well|oh|"
    r"ah|hey|yes|yeah|thanks|nein|moment|perdón|non|pardon)\b\W*)+$"
)
_TIME_ONLY = re.compile(
    r"(?i)^(?:(?:on|in|at|since|for|after|until|le|la|l['’]|les|el|los|en|il y a|depuis|desde|"
    r"hace|am|im|"
    r"seit|vor|last|next|this|past|the|\d+|two|three|few|many|"
    r"deux|trois|dos|tres|zwei|drei|an?|une?|un[oa]s?)\W+)*"
    r"(?:yesterday|today|tomorrow|tonight|now|recently|lately|\w*day|weekend|weeks?|months?|years?|"
    r"ago|spring|summer|autumn|fall|winter|morning|evening|night|\d{4}|hier|demain|mois|semaine|"
    r"années?|ans?|jours?|été|hiver|printemps|automne|ayer|hoy|mañana|mes|meses|semana|años?|días?|"
    r"gestern|heute|morgen|woche|monat|jahr(?:en)?|tagen?|\w*tag)"
    r"(?:\W+(?:dernier|dernière|prochaine?|passée?|pasad[oa]|que viene|ago|before last))?$"
)
_FILLS = re.compile(
    r"(?i)(?:am|are|is|was|were|be|been|have|has|had|do|does|did|not|no|the|a|an|to|of|in|on|at|"
    r"for|"
    r"and|so|too|also|very|really|just|now|then|ago|last|next|this|every|since|two|three|four|five|"
    r"six|ten|years?|months?|weeks?|days?|yesterday|today|tomorrow|never|always|still|\d+|ich|i|my|"
    r"bin|habe|hat|ist|mich|vor|seit|gestern|auch|nicht|jahren?|yo|me|he|hace|años?|je|ai|suis|ans|"
    r"il|y|me|pas)$"
)
_LEANS = re.compile(
    r"(?i)\b(?:it|them|there|him|her|that one|those|ihn|dort|es|lo|allí|ça)\s*[.,;!]?$"
)
_OBJECT = re.compile(r"(?i)\W*(?:i|we)(?:['’]\w+)? (?:\w+ ){1,2}(?:it|them|him|her)\b")
_NOUN_ONLY = re.compile(
    r"(?i)^\W*(?:(?:so|well|and|but|yes|today|yesterday|last \w+),? )?(?:me|myself|my|our|mein\w*|"
    r"mis?|mon|ma|(?!i\b|i['’])(?-i:[A-ZÀ-Þ]))(?:['’]?[\w-]*)"
    r"(?: [\w-]+(?:['’]s)?)?(?:,? (?-i:[A-ZÀ-Þ])[\w-]+,?)*$"
)


def _pieces(sentence: Piece, spans: Sequence[tuple[int, int, bool]]) -> list[Piece]:
    pieces = []
    for start, end, is_question in spans:
        text = _JOINED_END.sub("", sentence.text[start:end])
        if text:
            place = sentence.start + start
            pieces.append(Piece(text, place, place + len(text), is_question))
    return pieces


_JOINED_END = re.compile(
    r"(?i)(?:,? (?:and|but|so|also|plus|und|aber|y|pero|et|mais)|[,;:]|[–—-])?\s*$"
)
