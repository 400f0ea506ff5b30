"""What a clause tells, by rule: whether it speaks of the user, of which kind it is, on whose "
"word."""

from __future__ import annotations

import re

from tsubasa_cli.memory.cue_files import found
from tsubasa_cli.memory.openings import without_address
from tsubasa_cli.memory.people import KIN, MINE, NAME, PETS
from tsubasa_cli.memory.sentences import mask_quotes
from tsubasa_cli.memory.third_person.verbs import IRREGULAR_PAST
from tsubasa_cli.memory.values import Kind
from tsubasa_cli.memory.wordlist import words_of

SPANISH_I = (
    r"(?!mismo|solo|todo|mucho|poco|tanto|otro|algo|nuevo|bueno|malo|cierto|claro|medio|tiempo)"
    r"\w{3,}o\b"
)
"""A verb of the speaker's, where an adverb before it shows that it is none but a verb."""
_FIRST_PERSON = {
    "en": r"\b(?:i|i['’](?:m|ve|d|ll)|im|ive|my|mine|me|we|we['’](?:re|ve|d|ll)|our|us)\b",
    "de": r"\b(?:ich|mein\w*|mir|mich|wir|uns|unser\w*)\b",
    "es": r"\b(?:yo|mis?|me|nos|nosotr[oa]s|nuestr\w+|soy|estoy|tengo|vivo|trabajo|estudio|voy|"
    "fui|he|"
    r"nací|era|tenía|vivía|quiero|prefiero|odio|hago|juego|hablo|como|bebo|compré|vendí|empecé|"
    rf"(?:ya no|ahora|también|todavía|siempre|nunca|casi) {SPANISH_I}|"
    r"dejé|\w{2,}(?:é|í)|vivimos|tenemos|somos|estamos|vamos)\b",
    "fr": r"\b(?:je|moi|mon|ma|mes|me|nous|notre|nos)\b|\b[jm]['’]",
}


LANGUAGES = tuple(_FIRST_PERSON)
"""Whose cues we have; in others only what speaks of "I" is seen, and it is quoted."""


_TELLING = (
    r"(?:i (?:just |also |only )?(?:wanted|want|have|need|should|must|can|"
    r"would like) (?:to )?(?:tell "
    r"you|say|mention|let you know|add|share)|it turns out|turns out|you should know|good to know|"
    r"did i (?:tell you|mention))(?: that)?,?(?= (?:i|i['’]\w+|my|we|our)\b)"
)
_LEAD = re.compile(
    rf"^(?:(?:{_TELLING}|(?:well|so|oh|ah|hey|hi|hello|yeah|yes|yep|ok|okay|anyway|anyways|also|"
    rf"and|but|btw|"
    r"by the way|honestly|actually|basically|fyi|just so you know|you know|you see|plus|um|uh|hmm|"
    r"wow|ugh|haha|(?-i:lol|LOL|Lol)|"
    r"i meant?(?: to say)?(?: that)?,?(?= (?:i|i['’]\w+|my|we|our)\b)|"
    r"i think(?= (?:i|i['’]\w+|my|we)\b)|speaking of which|to be honest|tbh|"
    r"guess what|for the record|in fact|"
    r"for your information|for context|for reference|as you know|as i said|"
    r"und|aber|naja|übrigens|ehrlich gesagt|hallo|tja|eigentlich|"
    r"bueno|pues|por cierto|y|pero|hola|la verdad|además|"
    r"bon|alors|et|mais|au fait|bonjour|salut|en fait|d'ailleurs)\b|"
    r"(?:no|nope|nah|right|sure|look|listen|thanks|thank you|great|cool|nice|sorry|oops|wait|"
    r"update|(?:(?:big|great|good|bad|some|exciting|sad) )?news|"
    r"nein|ja|also|sí|no|non|oui|genau|claro)\b(?=\s*[,.!:;—–-]))"
    r"(?: [A-Z]\w+(?=[,!]))?[\s,.!:;—–-]*)+",
    re.IGNORECASE,
)


_PRONOUN = re.compile(
    r"(?i)^(?:(?:now|then|recently|last \w+|yesterday|today|and|but),? )?"
    r"(?P<who>she|he|they|it|that|this|there|those|these|her|his|their|its|sie|er|es|das|dort|dies|"
    r"ihr|sein\w*|ella|él|ellos|ellas|eso|esto|allí|su|elle|il|ils|elles|ça|cela|son|sa|ses|"
    r"c'est|c'était)\b(?:['’]\w+)?"
)


_PERSON_VERBS = (
    r"(?:lives?|lived|works?|worked|moved|is|was|has|had|got|married|studies|studied|loves|likes|"
    r"hates|plays|turned|died|passed|started|became|quit|bought|sold|wants|plans|visited|went|came|"
    r"wohnt|arbeitet|ist|hat|zieht|lebt|heißt|mag|vive|trabaja|es|está|tiene|se|habite|travaille|"
    r"vit|est|a)\b"
)


_REPORTS = re.compile(
    r"(?i)\b(?:says?|said|thinks?|thought|believes?|claims?|claimed|told|tells|asked|asks|wrote|"
    r"suggested|suggests|recommended|recommends|insists?|insisted|joked|jokes|swears|meint|sagt|"
    r"sagte|meinte|findet|glaubt|dice|dijo|cree|piensa|dit|pense|croit)\b"
)


_ELIDED = re.compile(
    r"(?i)^(?:(?:just|finally|recently|also|already|yesterday|today|last \w+|so|then),? )*"
    r"(?P<verb>got|moved|started|bought|went|finished|quit|sold|adopted|joined|signed|visited|met|"
    r"had|became|graduated|passed|booked|landed|switched|turned|celebrated|came|flew|ran|lost|won|"
    r"tried|used to|been|working|living|planning|thinking|learning|studying|saving|love|loved|hate|"
    r"can't stand|trying|looking forward|heading|going|getting|starting|staying|leaving|majoring|"
    r"specialising|specializing|interning|renting|"
    r"flying|training|renovating|visiting|celebrating|expecting)\b(?! (?:it|that|this|you|your|"
    r"to it|"
    r"back to (?:me|you)|the (?:code|error|answer|script))\b)"
    r"(?!(?<=love) (?:the|how|when|to see|seeing|hearing)\b)(?!(?<=loved) (?:the|how|hearing)\b)"
    r"(?!(?<=ing) [^,.]*\b(?:would|is|was|sounds|makes|will|can|could|has|helps|takes|feels)\b)"
)


_FIRST_DAY = re.compile(
    r"(?i)(?P<what>(?-i:[Ff]irst|[Ll]ast) (?:day|week|month|shift|lesson|class) (?:at|as|in|of|"
    r"on)\b)"
)


_APOSTROPHES = {
    "im": "I'm", "ive": "I've", "dont": "don't", "didnt": "didn't", "doesnt": "doesn't",
    "cant": "can't", "isnt": "isn't", "wasnt": "wasn't", "havent": "haven't", "wont": "won't",
    "shes": "she's", "hes": "he's", "theyre": "they're", "weve": "we've", "youre": "you're",
    "thats": "that's", "whats": "what's", "couldnt": "couldn't", "wouldnt": "wouldn't",
    "shouldnt": "shouldn't", "arent": "aren't", "werent": "weren't", "hasnt": "hasn't",
    "hadnt": "hadn't",
}  # fmt: skip
_BARE = re.compile(rf"(?i)\b(?:{'|'.join(_APOSTROPHES)})\b(?= )")


def without_lead(text: str) -> str:
    """``text`` without "Well, by the way, …", and with what was left out in haste: apostrophes, and
    "my" before "mum" or "new job"."""
    text = _BARE.sub(lambda match: _APOSTROPHES[match.group().casefold()], text)
    rest = without_address(_LEAD.sub("", text))
    rest = rest if len(rest.split()) > 1 else text
    return f"my {rest[:1].casefold()}{rest[1:]}" if _MINE_IMPLIED.match(rest) else rest


_MINE_IMPLIED = re.compile(
    r"(?i)(?:(?:grand(?:pa|ma|dad|mum|mom)|granny|nana|mom|mum|dad|mama|papa|hubby)"
    r"(?: (?-i:[A-ZÀ-Þ])[\wÀ-ÿ-]+)? (?!of\b|in\b)[a-z]|"
    r"(?:new|old) (?:place|flat|apartment|house|home|job|boss|landlord|landlady|flatmate|roommate|"
    r"neighbou?rs?|phone|laptop|car|bike|address|number|gym|school|doctor|dentist) (?:is|has|"
    r"was)\b|"
    r"(?:landlord|landlady|boss) (?!is\b|and\b|or\b)(?:just |has )?\w+(?:ed|s) )"
)
"""In English: who and what needs no "my" in casual words."""


def speaks_of_self(text: str, language: str) -> bool:
    """Whether the speaker is in it, or somebody or something of theirs."""
    pattern = _FIRST_PERSON.get(language)
    masked = mask_quotes(text)
    if pattern is None:
        return bool(
            re.search(
                r"[私僕俺我]|わたし|ぼく|\b(?:eu|meu|minha|moro|trabalho|tenho|sou|estou|gosto|io|mio|mia|"
                r"mi|abito|vivo|lavoro|ho|sono|ik|mijn)\b",
                masked,
                re.I,
            )
        )
    return bool(re.search(pattern, masked, re.IGNORECASE)) or lacks_subject(text, language)


def lacks_subject(text: str, language: str) -> bool:
    """ "Moved to Porto last week", "Bin Lehrer": a sentence whose "I" is left out."""
    plain = without_lead(text)
    if language == "de":
        return _ELIDED_DE.match(plain) is not None
    return language == "en" and bool(
        _elided(plain) or _FIRST_DAY.match(plain) or _STREAK.match(plain)
    )


_STREAK = re.compile(
    r"(?i)(?P<what>(?:\d+|two|three|four|five|six|seven|eight|nine|ten) (?:days|weeks|months|"
    r"years) "
    r"(?:without|sober|clean|off)\b)"
)


_ELIDED_DE = re.compile(
    r"(?i)(?P<verb>bin|hab|habe|wohne|arbeite|lebe|mag|esse|trinke|fahre|spiele|lerne|"
    r"studiere) (?!du\b|ich\b)"
)


def _elided(plain: str) -> re.Match[str] | None:
    """The verb that begins an English sentence without its "I"."""
    return _ELIDED.match(plain) or _ELIDED_PAST.match(plain)


_NO_DEED = words_of("said thought meant was were told understood heard forgot knew felt let found")
_ELIDED_PAST = re.compile(
    r"(?i)^(?:(?:just|finally|recently|also|already|yesterday|today|last \w+|so|then),? )*"
    rf"(?P<verb>(?:{'|'.join(sorted(IRREGULAR_PAST - _NO_DEED))}|hit|(?!need|based|related|"
    rf"unrelated|"
    r"compared|according|provided|given|used|tried|asked|assumed|agreed|updated|edited|fixed|"
    r"added)[a-z]{3,}ed)"
    r"(?: (?:up|off|out|in|down|back|over|away|on|into|through))?) "
    r"(?=(?:my|our|the|an?|to|from|for|with|at|some|two|three|four|five|both|all|\d+)\b)"
)
"""What the user did, where the words that follow show that it is a verb and no adjective."""


def with_subject(text: str, language: str) -> str:
    """``text`` with the "I" that it leaves out: "Been vegan since May", "Moved to Hamburg"."""
    plain = without_lead(text)
    day = _FIRST_DAY.match(plain) if language == "en" else None
    if day:
        return f"I had my {plain[:1].casefold()}{plain[1:]}"
    if language == "de" and _ELIDED_DE.match(plain):
        return f"ich {plain[:1].casefold()}{plain[1:]}"
    if language == "en" and _STREAK.match(plain):
        return f"I have been {plain[:1].casefold()}{plain[1:]}"
    match = _elided(plain) if language == "en" else None
    if match is None:
        return text
    verb = match["verb"].casefold()
    if match["verb"].isupper():
        plain = _unshouted(plain)
    is_participle = verb.endswith("ing") or verb == "looking forward"
    i = "I have" if verb == "been" else "I am" if is_participle else "I"
    start = match.start("verb")
    before = plain[:start]
    if re.fullmatch(r"(?i)(?:(?:just|finally|recently|also|already|so|then) )+", before):
        return f"{i} {before.casefold()}{plain[start:]}"
    return f"{before}{i} {plain[start : start + 1].casefold()}{plain[start + 1 :]}"


def _unshouted(text: str) -> str:
    """ "PAID OFF my loan": the words in capitals that a sentence begins with, in small letters."""
    return re.sub(r"^(?:[A-Z]+ )+[A-Z]*", lambda match: match.group().casefold(), text)


def pronoun_of(text: str) -> re.Match[str] | None:
    """The pronoun that ``text`` begins with and that stands for something said before."""
    return _PRONOUN.match(without_lead(text))


_LEANING = re.compile(
    r"(?i)^(?:i|we)(?:['’]\w+)? (?:\w+ ){1,2}(?:it|them|him|her|there)\b(?! (?:a|the|new|my)\b)"
)


def leans(text: str) -> bool:
    """Whether ``text`` speaks of something that only the sentence before names: "I bought it"."""
    return bool(pronoun_of(text) or _LEANING.match(without_lead(text)))


_DIAGNOSIS = re.compile(
    r"(?i)\b(?:doctors?|doc|dentist|therapist|psychiatrist|optician|physician|gp|test|results?|"
    r"arzt|"
    r"ärztin|médic[oa]|médecin)\b.{0,40}\b(?:i|i['’]m|i['’]ve|ich|j['’]ai|tengo)\b(?! (?:should|"
    r"need|must|"
    r"have to|ought)\b)"
)


def is_hearsay(text: str) -> bool:
    """What somebody else says or thinks about the user: "my mom thinks I should quit"."""
    masked = mask_quotes(text)
    report = _REPORTS.search(masked)
    if report is None or re.search(r"(?i)^\W*(?:i|ich|yo|je|j['’])\b", masked):
        return False
    if masked != text and len(masked[report.end() :].split()) < 3:
        return True
    if _DIAGNOSIS.search(masked):
        return False
    after = masked[report.end() :]
    if not re.search(
        r"(?i)\b(?:she|he|they|her|his|their|me|us|my|our|er|sie|ella|él|elle|il)\b", after
    ):
        return True
    return bool(
        re.match(r"(?i)[^.]{0,20}?\b(?:i|i['’]m|i['’]d|we|ich|yo|je|that i|to me that i)\b", after)
        or re.search(r"(?i)\b(?:should|must|ought to|need to|have to)\b", after)
    )


def kind_of(text: str) -> Kind:
    """Which kind of observation ``text`` makes."""
    if found("speech", Kind.IDENTITY, text) or introduces(text):
        return Kind.IDENTITY
    if found("speech", "cancelled", text) or _is_plan(text):
        return Kind.PLAN
    if _tells_relation(text):
        return Kind.RELATION
    for kind in (Kind.PREFERENCE, Kind.EVENT):
        if found("speech", kind, text):
            return Kind.STATE if kind is Kind.EVENT and _lasts(text) else kind
    return Kind.STATE


def introduces(text: str) -> str:
    """The name in "I'm Bob", "Ich bin Eva"; empty where there is none."""
    match = _INTRODUCTION.match(without_lead(text))
    return match["name"] if match else ""


_INTRODUCTION = re.compile(
    rf"(?:I['’]m|I am|This is|Ich bin|Hier ist|Soy|Je suis|Moi,? c['’]est) (?P<name>{NAME})"
    r"(?=$|[.!,] ?(?:$|nice|by the way|and you|freut|mucho gusto|enchantée?))"
)


def _is_plan(text: str) -> bool:
    return found("speech", "plan", text) is not None and not re.search(
        r"(?i)\b(?:work\w*|live\w*) (?:at|in|for)\b.*\bnow\b", text
    )


def _lasts(text: str) -> bool:
    """A happening that leaves a state behind: started a job, moved house."""
    return found("speech", "state_change", text) is not None


def _tells_relation(text: str) -> bool:
    """Who somebody is to the user: "my sister's name is …", "I have two kids", "I'm married"."""
    return bool(
        re.search(
            rf"(?i)\b(?:{KIN}|{PETS})['’]s name\b|\b{MINE} (?:[\w-]+ )?(?:{KIN}|"
            rf"{PETS})(?: is| was)?"
            r" (?:called|named|heißt|se llama|s['’]appelle)\b|"
            rf"\b(?:have|has|got|habe|tengo|ai)\b (?:\w+ ){{0,3}}(?:{KIN}|{PETS})(?:s|e|n)?\b|"
            r"\b(?:married|engaged|divorced|widowed|dating|in a relationship|verheiratet|casad[oa]|"
            rf"mariée?)\b|^{NAME} is {MINE} ",
            text,
        )
    )


def is_cancelled(text: str) -> bool:
    """Whether ``text`` calls off a plan."""
    return found("speech", "cancelled", text) is not None


_ABOUT_USER = re.compile(
    r"(?i)\b(?:you|your|yours|du|dein\w*|dich|dir|ihr\w*|sie|tú|tu|tus|te|usted|ton|ta|tes|vous|"
    r"votre|"
    r"vos|toi)\b|\bt['’]"
)


_OFFER = re.compile(
    r"(?i)\b(?:want|need|looking for|would|prefer|mind|mean|think|shall|should|can|could|may|help|"
    r"tried|sure|using|use|trying|anything else|does that|is that|did that|how are you|"
    r"how (?:is|was|did|do) (?:your|you)|which (?:one|option|version)|möchte\w*|willst|soll\w*|"
    r"kann|"
    r"brauchst|meinst|quieres|necesitas|puedo|prefieres|veux|voulez|puis-je|préfères)\b"
)


_NO_ANSWER = re.compile(
    r"(?i)^(?:yes|no|yeah|yep|nope|nah|sure|ok|okay|maybe|perhaps|never ?mind|nothing|none|idk|"
    r"dunno|fine|good|great|i don['’]t know|not really|of course|please|thanks|thank you|"
    r"the \w+ (?:one|option)|both|either|"
    r"neither|skip|stop|next|more|why|ja|nein|vielleicht|sí|oui|non|tal vez|peut-être)\b"
)


def question_about_user(text: str) -> str:
    """The last sentence of ``text``, the assistant's, where it asks the user about themselves."""
    sentence = re.split(r"(?<=[.!?…:])\s+|\n+", text.strip())[-1]
    asks = sentence.endswith("?") and len(sentence) <= 160 and _ABOUT_USER.search(sentence)
    return sentence if asks and not _OFFER.search(sentence) else ""


def answers(text: str) -> bool:
    """Whether ``text`` is a bare answer: a few words with something in them."""
    words = text.split()
    if not 1 <= len(words) <= 12 or "\n" in text or _NO_ANSWER.match(text):
        return False
    blocked = ("question", "request", "hypothetical", "joke", "greeting", "meta", "moment", "task")
    return not text.endswith("?") and not any(found("speech", name, text) for name in blocked)
