"""The user's sentences told in the third person by rule: what no model has to be trusted with."""

from __future__ import annotations

import re
from collections.abc import Callable

from tsubasa_cli.memory.third_person import english, french, german, spanish
from tsubasa_cli.memory.third_person.decoration import is_verb_pictured, without_decoration

_TELLERS: dict[str, Callable[[str, str], str | None]] = {
    "en": english.tell,
    "de": german.tell,
    "es": spanish.tell,
    "fr": french.tell,
}
_SAID = {
    "en": "{who} said: “{words}”",
    "de": "{who} sagte: „{words}“",
    "es": "{who} dijo: «{words}»",
    "fr": "{who} a dit : « {words} »",
    "it": "{who} ha detto: «{words}»",
    "pt": "{who} disse: “{words}”",
    "nl": "{who} zei: “{words}”",
    "ja": "{who}は「{words}」と言った。",
    "zh": "{who}说：“{words}”",
}
THE_USER = {
    "en": "The user",
    "de": "Der Nutzer",
    "es": "El usuario",
    "fr": "L'utilisateur",
    "it": "L'utente",
    "pt": "O usuário",
    "nl": "De gebruiker",
    "ja": "ユーザー",
    "zh": "用户",
}
_FIRST_PERSON = {
    "en": re.compile(r"\b(?:i['’]\w+|I|i|my|mine|me|myself|we|we['’]\w+|our|us|ours|ourselves)\b"),
    "de": re.compile(r"(?i)\b(?:ich|mein\w*|mir|mich|wir|uns|unser\w*|unsre\w*)\b"),
    "es": re.compile(r"(?i)\b(?:yo|mis?|me|nos|nosotr[oa]s|nuestr\w+|soy|estoy|tengo)\b"),
    "fr": re.compile(r"(?i)\b(?:je|moi|mon|ma|mes|me|nous|notre|nos)\b|\b[jm]['’]"),
}


def told(text: str, language: str, owner: str = "") -> str | None:
    """``text``, the user's words, as a sentence about ``owner`` ("" for "the user"); None where
    the grammar is not sure."""
    plain = without_decoration(text, language) if language in _TELLERS else ""
    if not plain or is_verb_pictured(plain):
        return None
    told = _TELLERS[language](plain, owner)
    if told is None or speaks_in_first_person(told, language):
        return None
    return _sentence(told)


def said(text: str, language: str, owner: str = "") -> str:
    """``text`` as a quotation of the user's."""
    who = owner or THE_USER.get(language, THE_USER["en"])
    return _SAID.get(language, _SAID["en"]).format(who=who, words=" ".join(text.split()))


_ANSWERED = {
    "en": "Asked “{question}”, {who} said: “{words}”.",
    "de": "Auf die Frage „{question}“ sagte {who}: „{words}“.",
    "es": "A la pregunta «{question}», {who} respondió: «{words}».",
    "fr": "À la question « {question} », {who} a répondu : « {words} ».",
}


def answered(question: str, text: str, language: str, owner: str = "") -> str:
    """``text`` as the user's answer to ``question``."""
    language = language if language in _ANSWERED else "en"
    who = owner or THE_USER[language][:1].lower() + THE_USER[language][1:]
    words = {"who": who, "question": question, "words": " ".join(text.split())}
    return _ANSWERED[language].format(**words)


def speaks_in_first_person(text: str, language: str) -> bool:
    """Whether an "I" or "my" is left outside quotation marks."""
    pattern = _FIRST_PERSON.get(language, _FIRST_PERSON["en"])
    return bool(pattern.search(re.sub(r"[\"“„«‘「][^\"”“»’」]*[\"”“»’」]", "", text)))


def _sentence(text: str) -> str:
    text = text.strip()
    text = text[:1].upper() + text[1:]
    return text if text.endswith((".", "!", "?", "。", "”", '"')) else f"{text}."
