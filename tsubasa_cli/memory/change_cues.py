# ruff: noqa: E501 - a pattern is read more easily on one line
"""Words by which people tell that something changed, was wrong, was called off or came true.

Data for ``memory.signals``: English in breadth, German, Spanish and French in the basics.
"""

from __future__ import annotations

import re

CHANGE = (
    r"\b(?:no longer|not any ?more|n['’]t (?:\w+ ){0,6}any ?more|any ?more|any longer|used to|now|nowadays|these days|"
    r"lately|since then|moved|relocated|switched|changed?|replaced|swapped|traded|gave up|given up|"
    r"quit|left|resigned|retired|started|began|begun|stopped|dropped|sold|bought|joined|married|"
    r"divorced|broke up|split up|separated|engaged|turned|became|become|promoted|fired|laid off|"
    r"hired|found a job|postponed|rescheduled|pushed back|brought forward|cancell?ed|called off|went up|went down|raised|"
    r"grew|lost|died|passed away|finished|handed in|completed|graduated|instead|new|over to|by now|"
    r"went back to|again|finally|in the end|decided (?:not )?to|pulled out|got rid of|converted|"
    r"adopted|gone)\b|"
    r"\b(?:nicht mehr|kein\w* .{0,20}mehr|jetzt|nun|inzwischen|mittlerweile|seitdem|gezogen|umgezogen|gewechselt|"
    r"gekündigt|angefangen|aufgehört|verkauft|gekauft|geheiratet|geschieden|getrennt|abgesagt|"
    r"verschoben|geworden|statt|neue[nrms]?|wieder|aufgegeben)\b|"
    r"\b(?:ya no|ahora|dejó de|dej[oó]|se mudó|me mudé|mudó|cambió|empezó|comenzó|vendió|compró|"
    r"se casó|se divorció|canceló|aplazó|nuev[oa]|otra vez|en vez de|renunció)\b|"
    r"(?:\bne\b|\bn['’]).{1,30}\bplus\b|\b(?:maintenant|désormais|déménagé|arrêté|commencé|changé|"
    r"quitté|vendu|acheté|marié|divorcé|annulé|reporté|nouve(?:au|lle)|à nouveau|abandonné|devenue?)\b"
)

ENDING = (
    r"\b(?:no longer|any ?more|any longer|stopped|quit|gave up|given up|gone off|went off|ditched|dropped|instead|switched|"
    r"swapped|replaced|changed (?:from|to)|went back to|back to|over to|used to|got rid of|these days|nowadays|by now|now|"
    r"again|turned|became|(?:is|are) gone|sold|"
    r"lost (?:all |any )?interest|died|passed away|went up|went down|gave (?:\w+ ){0,3}away|given away|threw (?:\w+ ){0,3}(?:out|away)|"
    r"left (?:the|their|his|her) (?:[\w-]+ ){0,2}(?:club|team|choir|band|group|course|party|church|class|orchestra|union|army)|"
    r"threw in the towel|put an? (?:end|stop) to|disbanded|ran out|expired|(?:did not|didn['’]t) renew|came off|called it a day|"
    r"(?:done|through) with|parted (?:with|ways)|packed in|"
    r"scrapped|hung up|gathers dust|is history|is over|had enough|bored (?:of|with|by)|as good as new|healed|cured|recovered|verloren|satt|"
    r"nicht mehr|kein\w* .{0,20}mehr|jetzt|aufgehört|aufgegeben|gewechselt|statt|nun|wieder|"
    r"ya no|dejó de|dejé de|ahora|en vez de|cambió|otra vez|arrêté|désormais|maintenant|à nouveau|changé|abandonné)\b|"
    r"(?:\bne\b|\bn['’]).{1,30}\bplus\b"
)

CORRECTION = (
    r"^(?:no|nope|sorry|correction|wait|actually|oops)\b[,:.—– ]|\bactually\b|\bi mean(?:t)?\b|\b(?:it['’]s|it is|is|are|was|am) "
    r"(?:called |named |really |in fact |actually )?[\w'’. -]{1,40},? (?:and )?not (?!sure|only|really|just|yet|very|so|"
    r"any|at all|that|a fan|going|able|keen|in the)[\w'’.-]+|\bnot [\w'’.-]+(?: \w+)?,? but\b|\b(?:misspoke|mistyped|mis-typed|typo|got (?:it|that) wrong|"
    r"made a mistake|correct(?:ed|ion)|by mistake)\b|\b(?:was|were) wrong\b|"
    r"^(?:nein|doch|quatsch|korrektur)\b[, ]|\beigentlich\b|\b(?:heißt|ist|sind) [\w. -]{1,40},? nicht [\w.-]+|"
    r"^(?:no|perdón|corrección)\b[, ]|\ben realidad\b|\b(?:es|se llama) [\w. -]{1,40},? no [\w.-]+|"
    r"^(?:non|pardon|correction)\b[, ]|\ben fait\b|\b(?:est|s['’]appelle) [\w. -]{1,40},? (?:et )?pas [\w.-]+"
)

MOVED_ON = (
    r"\b(?:no longer|any ?more|moved|switched|changed|started|stopped|quit|left|sold|bought|married|"
    r"divorced|since|used to|nicht mehr|gezogen|gewechselt|seit|ya no|mudó|cambió|déménagé|changé|plus)\b"
)

CANCELLED = (
    r"\b(?:cancell?ed|called off|cancels|is off|was off|fell through|gave up on|abandoned|pulled out|"
    r"backed out|scrapped|dropped out|(?:decided|chose) (?:not to|against)|changed (?:his|her|their|my) mind|won['’]t|will not|"
    r"did(?:n['’]t| not)|is not going|not going to|no longer (?:plans?|wants?|going|intends?|planning)|"
    r"abgesagt|storniert|doch nicht|wird nichts|aufgegeben|nicht mehr|canceló|cancelado|ya no|al final no|"
    r"annulé|abandonné|renoncé|finalement pas)\b"
)

HAPPENED = (
    r"\b(?:finally|in the end|did it|completed|finished|just got back|came back|"
    r"returned from|signed|passed(?! away)|ran|went to|flew to|travell?ed to|visited|adopted|bought|got|painted|"
    r"moved|married|started|signed up|handed in|graduated|(?:was|were|went) (?:fun|wonderful|amazing|fantastic|lovely|nice|good|great|well|beautiful|awful|boring|a success)|"
    r"endlich|war in|zurück aus|fue|fui|estuvo|volvió|est allée?|suis allée?|revenue? de)\b"
)

POSTPONED = (
    r"\b(?:postponed|rescheduled|moved (?:to|from|back|forward)|pushed (?:[\w'’]+ ){0,4}?(?:back|to)|brought forward|delayed|put off|"
    r"shifted|verschoben|verlegt|aplazad[oa]|aplazó|pospuso|reportée?|décalée?|avancée?)\b"
)

PUT_OFF = (
    r"\b(?:postponed|rescheduled|was (?:moved|shifted|delayed)|pushed (?:[\w'’]+ ){0,4}?back|brought forward|put off|"
    r"verschoben|verlegt|aplazad[oa]|aplazó|pospuso|reportée?|décalée?|avancée?)\b"
)

_CALENDAR_WORDS = (
    "january february march april may june july august september october november december monday "
    "tuesday wednesday thursday friday saturday sunday januar februar märz mai juni juli oktober "
    "dezember montag dienstag mittwoch donnerstag freitag samstag sonntag christmas easter"
)
CALENDAR = frozenset(_CALENDAR_WORDS.split())

PLAN = (
    r"\b(?:plans?|planning|planned|wants? to|would like to|hopes? to|intends?|is going to|will|is looking for|"
    r"is saving|is thinking (?:of|about)|is about to|looks? forward to|dreams? of|has booked|booked|möchte|will|plant(?= (?:ein|zu|den|die|das|im|für|nach|sein|ihr|mit)\w*\b)|"
    r"hat vor|quiere|planea|va a|espera|veut|prévoit|va|compte|espère)\b"
)

NEGATION = (
    r"\b(?:not|never|no|none|nobody|nothing|neither|nor|without|cannot|stopped|quit|gave up|hates?|"
    r"dislikes?|refuses?|avoids?|ex|nicht|kein\w*|nie|niemals|ohne|hasst|nunca|jamás|sin|odia|"
    r"pas|jamais|aucune?|sans|déteste)\b|n['’]t\b|\bne\b|\bn['’]"
)

TWICE_NEGATED = (
    r"\b(?:not|never|without|\w+n['’]t|nicht|no|ne|pas) (?:to |zu )?(?:give up|giving up|stop\w*|quit\w*|forget\w*|"
    r"los(?:e|ing)|aufgeben|aufzugeben|vergessen|olvid\w+|oubli\w+)\b"
)

NUMBER_WORDS = (
    r"\b(?:two|three|four|five|six|seven|eight|nine|ten|eleven|twelve|zwei|drei|vier|fünf|sechs|sieben|acht|neun|zehn|"
    r"dos|tres|cuatro|cinco|seis|siete|ocho|nueve|diez|deux|trois|quatre|cinq|sept|huit|neuf|dix)\b"
)

ADDITION = (
    r"\b(?:also|too|as well|another|besides|in addition|both|still|second|other|always|"
    r"auch|außerdem|noch ein\w*|immer noch|ebenfalls|también|además|otr[oa]|todavía|sigue|"
    r"aussi|également|encore|autre|toujours)\b"
)

LIGHT = {
    "en": "call name have has take get got go really very still just also always too now new own make do "
    "know remember say said tell told actually already day these thing place live like well",
    "de": "heißen heißt namens habe hat haben immer noch auch sehr jetzt wirklich",
    "es": "llamar llamado llama llamo tener tiene tengo muy ahora también siempre",
    "fr": "appeler appelle appelé nommé avoir très maintenant aussi toujours vraiment",
}

KINDS = (
    "meat steak chicken pork beef sausage bacon burger ham fleisch schnitzel carne filete viande",
    "alcohol wine beer whisky vodka gin alkohol wein bier vino cerveza vin bière",
    "coffee espresso cappuccino latte kaffee café",
    "child children kid son daughter baby kind kinder hijo hija enfant",
    "wedding marry married marriage hochzeit heiraten heiratet boda casarse mariage marier",
    "smoke smoking cigarette cigar rauchen zigarette fumar cigarrillo fumer",
)

OPPOSITES = (
    ("single", "dating engaged married girlfriend boyfriend wife husband"),
    ("married wife husband", "divorced separated single"),
    ("meat steak chicken pork beef sausage bacon burger fleisch carne viande",
     "vegetarian vegan vegetarisch vegetariano végétarien"),
    ("vegan", "egg cheese milk dairy meat vegetarian"),
    ("unemployed jobless", "job work hire"),
)  # fmt: skip

CONTRARY_OF_ONE_THING = (
    ("love like enjoy adore fond fan prefer crave delight goosebump mag liebt gern gusta encanta aime adore",
     "hate dislike detest loathe stand sick bored boring nightmare disgust gross nausea hasst odia détest"),
    ("rent", "buy bought own mortgage"),
    ("sell sold", "own drive have"),
    ("alone", "together flatmate roommate"),
    ("ill sick hospital", "recover healthy better well"),
    ("afraid scared fear", "brave enjoy"),
    ("morning early day", "night late evening"),
    ("dark", "light bright"),
    ("sweet", "savoury savory"),
)  # fmt: skip
"""These are opposites only where both notes speak of the same thing besides."""

RESIZED = re.compile(
    r"(?i)\b(?:raised|increased|upped|bumped|lowered|reduced|cut|dropped|doubled|halved|erhöht|gesenkt|"
    r"subi[óe]ron|subió|baj[óa]r?on|augmenté|baissé|(?:put|took) (?:the user |them )?(?:up|down)|"
    r"hit|reached|got to|is up to|is down to|(?:went|gone|is|are) (?:up|down)|rose|fell|climbed)\b"
    r"(?P<thing>[^.;]{0,60}?)\b(?:to|at|by now|auf|a|à|(?<=hit)|(?<=reached)) ?(?:now )?[$€£]?"
    r"(?P<number>\d+(?:[.,:]\d+)*)(?P<unit>[^.;]{0,40})"
)
"""A number of something goes up or down to another."""
SWAPPED = re.compile(
    r"(?i)\b(?:replaced|swapped|traded(?: in)?|exchanged|switched from|changed from|ditched|dumped|"
    r"ersetzt|tauschte|cambi[óé]|remplacé) (?:(?:the|their|his|her|an?|all) )?(?:old )?"
    r"(?P<gone>[^.,;]{2,40}?) (?:with|for|to|in favou?r of|durch|gegen|por|par|contre) (?P<new>[^.,;]{2,40})"
)
"""One thing takes another's place."""

DIED = (
    r"\b(?:died|passed away|passed on|put (?:[\w'’]+ ){1,3}(?:to sleep|down)|lost (?:the )?(?:battle|fight)|"
    r"is dead|ist gestorben|starb|eingeschläfert|murió|falleci\w+|est morte?|est décédée?)\b"
)
"""Somebody, or an animal of the user's, is no more."""

PARTED = (
    r"\b(?:no longer|any ?more|died|dead|passed away|divorced|separated|broke up|split|left|ex|gone|sold|"
    r"rehomed|gave (?:\w+ ){0,3}away|ran away|lost|born|now|not|never|n['’]t|nicht mehr|gestorben|"
    r"getrennt|geschieden|murió|falleci\w+|divorci\w+|separ\w+|mort\w*|décédée?|plus)\b|n['’]t\b"
)
"""What ends being somebody's: a husband, a dog."""

WARMED = r"\b(?:come|came|comes|coming) (?:a)?round to\b|\b(?:come|came|grown|grew|learn\w*) to (?:love|like|enjoy)\b|\bwarmed (?:up )?to\b|\bhooked on\b|\bcan(?:no|['’])t get enough of\b"
COOLED = r"\b(?:went|gone|going) off\b|\b(?:tired|sick) of\b|\bfed up with\b|\bcan(?:no|['’]| no)t stand\b|\bover it\b|\b(?:is|are)(?: not|n['’]t) into\b"
"""Ways of saying "loves" and "hates" whose single words do not tell."""

TOPICS = (
    "work job employ employer hire fire office career company firm salary boss startup promote quit resign arbeit arbeitet job trabaja trabajo travaille travail",
    "live home move flat house apartment rent reside relocate city town wohnt lebt gezogen vive mudó habite déménagé vit",
    "eat diet vegan vegetarian meat fish steak isst fleisch come carne mange viande pescatarian",
    "drink coffee tea alcohol wine beer trinkt kaffee tee bebe café boit thé",
    "smoke cigarette raucht fuma fume",
    "date engage marry wife husband partner girlfriend boyfriend single divorce wedding break",
    "drive car bus bicycle bike cycle train commute fährt auto coche conduce voiture",
    "study school university degree course thesis semester studiert estudia étudie",
    "gym run train swim football tennis yoga jog climb sport",
    "dog cat pet puppy kitten hund katze perro gato chien chat",
    "birthday age old born",
    "flight trip travel journey holiday vacation reise viaje voyage",
    "band music song album singer listen",
    "phone laptop computer iphone android linux windows mac",
    "son daughter child baby pregnant kid",
    "illness ill hospital doctor disease pain allergy allergic asthma",
)
