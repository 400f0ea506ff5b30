"""English verbs: enough of them to tell a past from a present, and to add an s."""

from __future__ import annotations

from tsubasa_cli.memory.wordlist import words_of

IRREGULAR_PAST = words_of(
    "ate became began bent bet bit bled blew bought bound bred broke brought built burnt came "
    "caught chose clung crept dealt did dove drank dreamt drew drove dug fed fell felt fled flew "
    "forgave forgot fought found froze gave got grew had heard held hid hung kept knelt knew laid "
    "lay learnt leapt led left lent lit lost made meant met paid proved quit ran rang rode rose "
    "said sang sank sat saw shook shone shot shrank slept slid sold sent sought spent split spoke "
    "spun stole stood stuck struck stung swam swept swore swung taught thought threw told took "
    "tore understood woke won wore wound wove wrote was were went withdrew broadcast"
)
SAME_IN_PAST = words_of("put cut hit set let cost hurt shut spread read bet cast split quit")
MODALS = words_of(
    "can could will would shall should may might must can't couldn't won't wouldn't shouldn't "
    "mustn't mightn't cannot ought used"
)
AUXILIARIES = {
    "am": "is", "are": "is", "have": "has", "haven't": "has not", "do": "does",
    "don't": "does not", "dont": "does not", "ain't": "is not", "aint": "is not",
    "aren't": "is not",
}  # fmt: skip
UNCHANGED = words_of("was were wasn't weren't had hadn't did didn't is isn't has hasn't")
PARTICIPLES = words_of(
    "been gone done seen taken given written driven eaten broken chosen spoken grown known shown "
    "flown begun become come run had made got gotten lost found left met moved lived worked"
)
COMMON = words_of(
    "accept act adopt advise agree aim appreciate argue ask attend avoid babysit bake become begin "
    "believe bike blog book bring build buy call camp care carry celebrate change chat clean climb "
    "coach collect come commute compete compose consult cook crochet cycle dance date deal deliver "
    "design develop direct dislike dive do draw dream drink drive earn eat edit enjoy exercise "
    "expect explore feed feel fight find fish fix fly follow foster freelance game garden get give "
    "go grow guide hate have head hear help hike hold host hunt illustrate invest jog join juggle "
    "keep kayak knit know lead learn leave lecture like listen live look love make manage mentor "
    "miss move need nurse offer organise organize own paint participate pay perform photograph "
    "plan play practice practise prefer prepare produce program publish race raise ran read record "
    "rehearse relax rent repair research rest ride row run sail save say sculpt see sell sew share "
    "shop sing skate sketch ski sleep smoke speak spend stand start stay stop struggle study "
    "suffer support surf swim take talk teach tend think train translate travel try tutor "
    "understand use visit volunteer wait wake walk want watch wear weave weigh wish wonder work "
    "worry write code commute attend rely depend specialise specialize intend hope"
)
ADVERBS = words_of(
    "also really just still never always usually often recently actually currently finally already "
    "only probably definitely even sometimes mostly now both absolutely basically certainly mainly "
    "generally normally occasionally rarely seldom regularly simply soon too then again almost "
    "totally genuinely honestly truly barely hardly ever not literally officially "
    "eventually originally previously initially long once twice maybe perhaps hereby"
)


def is_adverb(word: str) -> bool:
    return word in ADVERBS or (len(word) > 4 and word.endswith("ly") and word not in COMMON)


def is_past(word: str) -> bool:
    """Whether ``word`` after "I" is a past form."""
    if word in IRREGULAR_PAST:
        return True
    return word.endswith("ed") and word not in {"need", "feed", "speed", "breed", "bleed", "exceed"}


def add_s(verb: str) -> str:
    """The third person singular of ``verb``'s present."""
    irregular = {"be": "is", "have": "has", "do": "does", "go": "goes"}
    if verb in irregular:
        return irregular[verb]
    if verb.endswith(("s", "sh", "ch", "x", "z", "o")):
        return verb + "es"
    if verb.endswith("y") and verb[-2:-1] not in tuple("aeiou"):
        return verb[:-1] + "ies"
    return verb + "s"
