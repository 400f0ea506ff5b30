"""Words that carry grammar rather than meaning: search leaves them out.

The lists are short on purpose. A word that is missing costs little (a word in every sentence is
worth next to nothing to BM25); a word too many hides memories.
"""

from __future__ import annotations

from functools import cache

from tsubasa_cli.memory.wordlist import words_of

_FUNCTION_WORDS = {
    "en": "a an the and or but nor if of to in on at by for with from into onto about as than then "
    "so is are was were be been being am do does did done doing have has had having will would "
    "shall should can could may might must i me my mine myself we us our ours you your yours "
    "yourself he him his she her hers it its they them their theirs this that these those there "
    "here what which who whom whose when where why how not no nor too very just also any some ever "
    "s t don doesn didn isn aren wasn weren hasn haven hadn won wouldn couldn shouldn re ve ll d m "
    "tell please remind remember know",
    "de": "der die das den dem des ein eine einen einem einer eines und oder aber wenn weil dass "
    "ob als wie von zu zum zur in im ins an am auf bei mit nach aus für um über unter vor seit bis "
    "ist sind war waren sein bin bist seid habe hat habt hatte hatten haben werde wird wurde "
    "wurden worden geworden kann können konnte muss müssen soll sollte will ich mir mich mein "
    "meine meinen meinem meiner meines wir uns unser unsere du dir dich dein deine deinen deinem "
    "deiner ihr euch euer sie ihnen ihre ihren er ihn ihm es man was wer wen wem wessen wann wo "
    "wohin woher warum wieso welche welcher welches dieser diese dieses jener nicht kein keine "
    "auch noch nur schon sehr da hier dort so doch mal denn eigentlich bitte",
    "es": "el la los las lo un una unos unas y e o u pero si de del a al en con por para sin sobre "
    "entre desde hasta que qué quien quién quienes cual cuál cuales cuáles cuando cuándo donde "
    "dónde como cómo porque es son era eran fue fueron ser sido soy eres somos está están estaba "
    "estoy estás he has ha han había haber yo me mi mis mí tú te tu tus ti usted ustedes se su sus "
    "él ella ellos ellas nos nosotros nuestro nuestra le les este esta estos estas ese esa eso "
    "esto aquel no ni ya muy más también hay",
    "fr": "le la les l un une des du de d et ou mais si que qu quoi qui quel quelle quels quelles "
    "quand où comment pourquoi parce à au aux en dans sur sous par pour avec sans chez entre vers "
    "depuis est sont était étaient été être suis es sommes êtes ai as a avons avez ont avait "
    "avaient avoir je j me m moi mon ma mes tu te t toi ton ta tes il elle on nous notre nos vous "
    "votre vos ils elles leur leurs lui se s son sa ses ce c cet cette ces ça cela n ne pas plus "
    "non y très aussi",
    "it": "il lo la i gli le l un uno una e ed o ma se di del della dei delle da dal in nel nella "
    "a al alla con per su tra fra che chi cosa quale quando dove come perché è sono era erano sei "
    "siamo ho hai ha hanno avere essere stato io mi mio mia miei tu ti tuo tua lui lei noi ci voi "
    "loro si non più anche questo questa quello quella",
    "pt": "o a os as um uma uns umas e ou mas se de do da dos das em no na nos nas por para com "
    "sem sobre que quem qual quando onde como porque é são era eram foi foram ser sou está estão "
    "estou tenho tem têm eu me meu minha meus minhas tu te teu você ele ela eles elas nós nosso "
    "seu sua não mais também este esta isso",
    "nl": "de het een en of maar als dat die dit deze van naar in op aan bij met uit voor om over "
    "te is zijn was waren ben bent heb heeft hebben had ik mij me mijn jij je jou jouw hij hem "
    "zijn zij ze haar wij we ons onze jullie hun er hier daar wat wie waar wanneer waarom hoe "
    "welke niet geen ook nog al zeer",
}


@cache
def function_words(language: str) -> frozenset[str]:
    """The function words of a language (ISO 639-1); none where there is no list."""
    return words_of(_FUNCTION_WORDS.get(language, ""))


_SMALL_TALK = words_of(
    "thanks thank thx ok okay yes yeah yep no nope hi hello hey bye goodbye great cool nice wow "
    "sure continue go danke ja nein hallo weiter gracias sí hola vale adiós merci oui non salut "
    "bonjour grazie ciao obrigado obrigada olá dank hoi"
)
_FIRST_PERSON = words_of(
    "i my mine myself we our ours ourselves ich mein meine meinen meinem meiner meines mich mir "
    "wir uns unser unsere unseren unserem yo mi mis mí mío mía nosotros nuestro nuestra je j mon "
    "ma mes moi nous notre nos io mio mia miei eu meu minha meus minhas ik mijn wij onze 我 我们 "
    "我的 私 僕 俺"
)


def is_small_talk(word: str) -> bool:
    """Whether a word keeps a conversation going without asking for anything."""
    return word.casefold() in _SMALL_TALK


def is_first_person(word: str) -> bool:
    """Whether a word says that its speaker is meant. "Me" and "us" do not: "tell me a joke"."""
    return word.casefold() in _FIRST_PERSON
