"""Which language a turn is written in: by its script, then by its little words."""

from __future__ import annotations

import re

_SCRIPTS = (
    ("ja", re.compile(r"[\u3040-\u30ff]")),
    ("ko", re.compile(r"[\uac00-\ud7af]")),
    ("zh", re.compile(r"[\u4e00-\u9fff]")),
    ("ru", re.compile(r"[\u0400-\u04ff]")),
    ("el", re.compile(r"[\u0370-\u03ff]")),
    ("ar", re.compile(r"[\u0600-\u06ff]")),
    ("he", re.compile(r"[\u0590-\u05ff]")),
    ("hi", re.compile(r"[\u0900-\u097f]")),
    ("th", re.compile(r"[\u0e00-\u0e7f]")),
)
_LITTLE_WORDS = {
    "en": "i i'm i've i'll i'd my me mine we our us the a an and or but is are was were be been "
    "have has had do does did don't not no yes of to in on at for from with by as it's it "
    "its this that these those what where when who how why which you your he she they his "
    "her their them will would can could should just about so because if then than there "
    "here new moved works lives please remember name live work like love hate get got going "
    "please never always",
    "de": "ich mein meine meinen meinem meiner meines mir mich wir uns unser unsere der die das "
    "den dem des ein eine einen einem einer und oder aber ist sind war waren sein habe hat "
    "hatte haben bin nicht kein keine keinen ja nein von zu in an am auf für mit bei aus "
    "nach seit es sie er ihr wie was wo wann wer warum dass weil wenn dann als auch noch "
    "schon nur sehr jetzt bitte werde wird wohne arbeite heiße gestern heute morgen zum zur "
    "über ins nie immer gern gerne",
    "es": "a yo mi mis me nosotros nuestro nuestra el la los las un una unos unas y o pero es son "
    "era soy estoy está están fue fui he ha había tengo tiene no sí de del a al en con por "
    "para desde que qué dónde cuándo quién cómo porque si cuando también ya muy más ahora "
    "ayer hoy mañana su sus se lo le vivo trabajo gusta llamo voy hace años nunca siempre "
    "como",
    "fr": "je j'ai j'habite j'aime j'étais mon ma mes me moi nous notre nos le la les un une des "
    "et ou mais est sont était suis ai a avais été ne n'est n'ai pas oui non de du à au aux "
    "en dans avec pour par depuis que qu'est quoi où quand qui comment pourquoi parce si "
    "c'est ce cette ces il elle ils elles son sa ses très plus maintenant hier aujourd'hui "
    "demain aussi déjà chez sur je m'appelle travaille vis d'un d'une l'année jamais "
    "toujours s'appelle",
    "it": "io mio mia miei il lo gli una uno e o ma è sono era ho ha non sì di del della da in "
    "con per che chi dove quando come perché se anche già molto più adesso ieri oggi domani "
    "lavoro vivo mi chiamo abito nel nella dal",
    "pt": "eu meu minha meus minhas o os as um uma e ou mas é são era sou estou foi tenho tem não "
    "sim de do da dos das em no na com por para que quem onde quando como porque se também "
    "já muito mais agora ontem hoje amanhã moro trabalho gosto há desde você",
    "nl": "ik mijn me wij we ons onze de het een en of maar is zijn was waren heb heeft had niet "
    "geen ja nee van naar in op aan voor met bij uit sinds dat dit wat waar wanneer wie hoe "
    "waarom omdat als dan ook nog al zeer nu gisteren vandaag morgen woon werk heet ben",
}
_VOTES = {language: frozenset(words.split()) for language, words in _LITTLE_WORDS.items()}
_LETTERS = (
    ("de", re.compile(r"[äöüß]")),
    ("es", re.compile(r"[ñ¿¡]|\b\w*[áíó]\w*\b")),
    ("fr", re.compile(r"[çœèêëîïùûâ]")),
)
_ACCENTED = re.compile(r"[à-öø-ÿœ]")
_CODE = re.compile(r"```.*?(```|\Z)|`[^`]*`|https?://\S+", re.DOTALL)


def language_of(text: str, default: str = "en") -> str:
    """The ISO 639-1 code of ``text``'s language; ``default`` when nothing tells."""
    plain = _CODE.sub(" ", text).casefold().replace("’", "'")
    scripted = _by_script(plain)
    if scripted:
        return scripted
    words = re.findall(r"[^\W\d_]+(?:'[^\W\d_]+)*", plain)
    votes = {language: sum(word in known for word in words) for language, known in _VOTES.items()}
    votes["fr"] += sum(word.startswith(("j'", "l'", "d'", "qu'", "n'", "c'")) for word in words)
    for language, letters in _LETTERS:
        votes[language] += min(2, len(letters.findall(plain)))
    votes["en"] -= bool(_ACCENTED.search(plain))
    best = max(votes, key=lambda language: (votes[language], language == default))
    return best if votes[best] else default


def _by_script(text: str) -> str:
    letters = sum(character.isalpha() for character in text) or 1
    for language, script in _SCRIPTS:
        if len(script.findall(text)) / letters > 0.2:
            return language
    return ""
