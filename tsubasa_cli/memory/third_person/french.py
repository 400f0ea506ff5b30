"""French: "J'ai vendu ma voiture" becomes "L'utilisateur a vendu sa voiture"."""

from __future__ import annotations

import re

from tsubasa_cli.memory.wordlist import words_of

_THIRD = {
    "suis": "est", "ai": "a", "vais": "va", "fais": "fait", "peux": "peut", "veux": "veut",
    "dois": "doit", "sais": "sait", "viens": "vient", "prends": "prend", "mets": "met",
    "pars": "part", "sors": "sort", "lis": "lit", "vis": "vit", "bois": "boit", "crois": "croit",
    "connais": "connaît", "dors": "dort", "cours": "court", "écris": "écrit", "vends": "vend",
    "apprends": "apprend", "reviens": "revient", "tiens": "tient", "suivis": "suivit", "dis": "dit",
    "finis": "finit", "choisis": "choisit", "grandis": "grandit", "souffre": "souffre",
    "devins": "devint", "fus": "fut", "eus": "eut", "perds": "perd", "attends": "attend",
}  # fmt: skip
_OWN = {"mon": "son", "ma": "sa", "mes": "ses", "moi": "lui", "notre": "leur", "nos": "leurs"}
_FEMALE = words_of(
    "sœur soeur mère femme fille grand-mère tante nièce cousine copine amie chienne chatte voiture "
    "maison adresse couleur famille collègue belle-mère belle-sœur compagne voisine épouse"
)
_TOKEN = re.compile(r"[^\W_]+(?:-[^\W_]+)*['’]?|\s+|.", re.DOTALL)
_VOWELS = "aeiouyhéèê"
_SUBJECT = re.compile(r"(?i)\bje |\bj['’]")
_CLITICS = {"m'": "s'", "me": "se", "n'": "n'", "ne": "ne", "y": "y", "l'": "l'", "en": "en",
            "le": "le", "la": "la", "les": "les", "lui": "lui", "t'": "t'"}  # fmt: skip


def tell(text: str, name: str) -> str | None:
    """``text`` with its speaker as ``name`` ("" for "l'utilisateur"); None where that is not
    sure."""
    if re.search(r"(?i)\b(?:nous|on)\b", text):
        return None
    if not _SUBJECT.search(text):
        return _tell_of_own(text, name)
    out, rest = "", text
    while match := _SUBJECT.search(rest):
        verb = _verb(rest[match.end() :])
        before = rest[: match.start()]
        if verb is None or (out and not before.endswith(("et ", "mais ", ", "))):
            return None
        told, length = verb
        who = "" if out else f"{name or _WHO} "
        out += f"{before}{who}{told}"
        rest = rest[match.end() + length :]
    return _REFLEXIVE.sub(_third_reflexive, _own(out + rest))


_WHO = "l'utilisateur"
_REFLEXIVE = re.compile(r"\b(?:me |m['’])(?=\w+(?:er|ir|re)\b)")


def _third_reflexive(match: re.Match[str]) -> str:
    return "se " if match.group() == "me " else "s'"


def _verb(text: str) -> tuple[str, int] | None:
    """The verb that ``text`` begins with, with its clitics, in the third person, and its length
    in ``text``."""
    told, length = "", 0
    for token in _TOKEN.findall(text):
        low = token.casefold().replace("’", "'")
        length += len(token)
        if low in _CLITICS:
            told += _CLITICS[low]
        elif token.isspace():
            told += token
        else:
            third = _third(low)
            return (
                (_elided(told) + third, length)
                if third and third[0] in _VOWELS
                else ((told + third, length) if third else None)
            )
    return None


def _elided(clitics: str) -> str:
    """ "se est" is "s'est"."""
    return re.sub(r"\b(se|ne|le|la) $", lambda match: f"{match.group(1)[0]}'", clitics)


def _third(verb: str) -> str | None:
    if verb in _THIRD:
        return _THIRD[verb]
    if verb.endswith(("ais", "rais")):
        return f"{verb[:-1]}t"
    if verb.endswith("rai"):
        return verb[:-1]
    if verb.endswith("e"):
        return verb
    return f"{verb[:-1]}t" if verb.endswith("is") else None


def _tell_of_own(text: str, name: str) -> str | None:
    """ "Ma sœur habite à Rome": "La sœur de l'utilisateur …"."""
    match = re.match(r"(?i)(mon|ma) ([\w-]+)((?: (?-i:[A-ZÀ-Þ])[\w-]+)?)", text)
    if match is None or re.search(r"(?i)\b(?:moi|me)\b|\bm['’]", text):
        return None
    noun = match.group(2)
    is_female = match.group(1).casefold() == "ma" or noun.casefold() in _FEMALE
    article = "L'" if noun[0].casefold() in "aeiouyéèêh" else "La " if is_female else "Le "
    owner = _of(name) if name else "de l'utilisateur"
    return _own(f"{article}{noun}{match.group(3)} {owner}{text[match.end() :]}")


def _of(name: str) -> str:
    return f"d'{name}" if name[:1].casefold() in "aeiouyéèêh" else f"de {name}"


def _own(text: str) -> str:
    return "".join(_OWN.get(token.casefold(), token) for token in _TOKEN.findall(text))
