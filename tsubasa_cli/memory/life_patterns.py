# ruff: noqa: E501 - a pattern is read more easily on one line
"""The parts of a life that have one state at a time: in which words they are spoken of.

Data for ``memory.life``. ``held`` is read broadly, for a note that has stood a while: whether it
tells of that part at all. ``entered`` and ``left`` are read narrowly, for a newer note: only what
can be no visit, no wish and nothing beside the old. English in breadth, the basics of German,
Spanish and French.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Part:
    """Regular expressions, and ``probe``: a sentence near which notes of this part lie."""

    name: str
    probe: str
    held: str
    entered: str
    left: str = r"(?!)"


_NOW = r"(?:now|these days|nowadays|by now|as of (?:now|today|this \w+)|since (?:then|last \w+|the \w+|\w+)|today|jetzt|nun|inzwischen|mittlerweile|ahora|maintenant|désormais)"
_DWELLING = r"(?:flat|apartment|house|home|studio|room|cottage|bungalow|place|loft|houseboat|bedsit|condo|flatshare|wohnung|haus|zimmer|wg|piso|casa|apartamento|appartement|maison|chambre|studio)"
_NOT_MAIN = r"(?:holiday|summer|second|weekend|winter|beach|ferien|vacation|country|guest|tree|dog|doll|green)"
_TRADES = (
    "nurse|teacher|engineer|developer|designer|manager|chef|cook|baker|doctor|lawyer|driver|"
    "director|consultant|analyst|accountant|pilot|carpenter|librarian|electrician|plumber|"
    "journalist|architect|professor|therapist|pharmacist|photographer|programmer|scientist|"
    "researcher|translator|barista|firefighter|paramedic|editor|clerk|waiter|waitress|paralegal|"
    "vet|receptionist|writer|gardener|secretary|dispatcher|butcher|tailor|farmer|policeman|officer|"
    "economist|psychologist|physicist|chemist|biologist|dentist|surgeon|mechanic|painter|actor|"
    "actress|musician|cashier|salesman|saleswoman|administrator|assistant|intern|postman|welder|"
    "bricklayer|roofer|florist|jeweller|hairdresser|barber|midwife|caretaker|janitor|cleaner|"
    "builder|lecturer|tutor|instructor|trainer|lifeguard|technician|apprentice|trainee|bartender|"
    "beekeeper|shepherd|fisherman|sailor|soldier|judge|notary|banker|broker|bookseller|publisher|"
    "reporter|artist|sculptor|potter|dancer|singer|composer|blogger|courier|guard|detective|"
    "optician|physiotherapist|masseur|masseuse|nanny|au pair|social worker|civil servant|estate agent|"
    "lehrer\\w*|krankenschwester|pfleger\\w*|ingenieur\\w*|verkäufer\\w*|koch|köchin|bäcker\\w*|fahrer\\w*|"
    "profesor\\w*|enfermer[oa]|cociner[oa]|ingenier[oa]|camarer[oa]|médic[oa]|abogad[oa]|"
    "infirmi(?:er|ère)|professeure?|cuisini(?:er|ère)|serveu(?:r|se)|boulang(?:er|ère)"
)
_A_TRADE = rf"(?:an? |the |eine? |un[ae]? )?(?:[a-zà-ÿ-]+ ){{0,3}}(?:{_TRADES})"
_BE = r"(?:is|am|became|has become|bin|ist|wurde|es|soy|est|suis|devenue?)"
_WORKPLACE = r"(?:supermarket|shop|store|hotel|hospital|school|restaurant|factory|office|firm|company|bank|warehouse|clinic|museum|library|bar|café|cafe|pub|farm|airport|station|zoo|call cent(?:er|re)|garage|salon|theatre|theater|newspaper|ministry|town hall|practice|pharmacy|bakery|brewery|laboratory|lab|startup|agency|construction site|post office|court|prison|shipyard|harbou?r|mine|mill)"
_LABOURS = r"(?:works?|stacks?|serves?|cleans?|cooks?|sells?|helps? out|washes|guards?|repairs?|fixes|delivers?|packs?|teaches|manages?|does shifts|programs|codes|cuts hair|waits)"
_NO_TRADE = (
    r"(?:strict |happy |proud |new |big |real |total |complete )*(?:vegan|vegetarian|pescatarian|father|mother|dad|mum|mom|parent|grand\w+|uncle|aunt|god\w+|"
    r"member|fan|student|pupil|runner|smoker|non-?smoker|swimmer|climber|cyclist|drinker|dancer|reader|player|bit|lot|little|citizen|resident|widow\w*|bachelor|"
    r"\w*owner|millionaire|wreck|mess|couple|\w+ person|night owl|early \w+|believer|convert|christian|muslim|catholic|buddhist|supporter|user|friend|neighbou?r)\b"
)
_IDLE = r"\b(?:unemployed|jobless|out of work|between jobs|out of a job|looking for work)\b"
_NEW_TRADE = (
    r"\b(?:makes?|earns?|verdient) (?:a|their|his|her|my|sein\w*|ihr\w*) (?:living|bread|money|geld)\b[^.;]{0,40}\b(?:as|with|from|als|mit)\b|"
    r"\b(?:got|landed|found|accepted|took) (?:an? |the )?(?:new )?(?:job|position|post) as\b"
)
_NO_JOB = (
    r"\b(?:was|got|has been|been) (?:fired|sacked|laid off|made redundant|dismissed)\b|"
    r"\b(?:has retired|retired (?!from the race)|quit (?:the|their|his|her) job|resigned|lost (?:the|their|his|her) job)\b|"
    r"\b(?:is|now) (?:out of work|unemployed|jobless|out of a job|retired)\b|\bin rente\b|\bse jubiló\b|\bà la retraite\b"
)
_LOVER = r"(?:boyfriend|girlfriend|husband|wife|partner|fiancée?|spouse|freund|freundin|ehemann|ehefrau|novi[oa]|mari|copine?|copain)"
_WAY = r"(?:bus|train|tram|metro|underground|subway|tube|car|bike|bicycle|scooter|motorbike|ferry|taxi|foot|bahn|zug|auto|rad|fahrrad|coche|metro|bici|autobús|tren|voiture|vélo|métro)"
_GOAL = r"(?:to|zur|zum|ins|al|a la|au|à la)(?: the| his| her| their| my)? ?(?:work|office|school|firm|job|uni|university|arbeit|büro|schule|trabajo|oficina|travail|bureau)"
_MEAT = r"(?:meat|steak|bacon|burgers?|sausages?|chicken|beef|pork|ham|schnitzel|fleisch|wurst|carne|jamón|viande)"
_DRINK = r"(?:beers?|wine|whisky|whiskey|vodka|gin|rum|alcohol|booze|cocktails?|bier|wein|alkohol|cerveza|vino|bière|vin|alcool)"

_PRODUCTS = {
    "browser": "chrome|firefox|safari|edge|brave|opera|vivaldi|chromium|internet explorer",
    "system": "windows|linux|ubuntu|debian|fedora|arch|mint|macos|mac os|chromeos|os x",
    "phone": "iphone|pixel|galaxy|fairphone|oneplus|nokia|xiaomi|motorola|huawei|blackberry|android phone|flip phone|dumbphone",
    "music": "spotify|apple music|tidal|deezer|youtube music|soundcloud|qobuz|records|vinyl|cds",
    "notes": "evernote|obsidian|notion|onenote|apple notes|joplin|logseq|roam|paper notebook",
    "messenger": "whatsapp|signal|telegram|threema|imessage|messenger",
    "mail": "gmail|outlook|yahoo mail|proton ?mail|gmx|icloud mail|hotmail",
    "editor": "vim|emacs|vs ?code|sublime|pycharm|intellij|neovim|nano|atom",
    "writing": "(?-i:Word)|scrivener|google docs|libreoffice|latex|ulysses|(?-i:Pages)",
    "search": "google search|duckduckgo|bing|kagi|ecosia",
    "console": "playstation|xbox|nintendo switch|steam deck",
}
"""Things of one kind, of which one is mostly enough."""

PARTS: tuple[Part, ...] = (
    Part(
        "home",
        "The user lives in a flat in a town.",
        rf"(?<!['’] )\b(?:lives?|living|resides?|residing|lodges|is (?:staying|crashing|sleeping|camping)|stays|dwells|is based|wohnt|lebt|vive|habite|vit) (?:[\w-]+ ){{0,3}}(?:in|at|with|near|above|over|next|by|on (?:the|a|their)|together|alone|abroad|downtown|bei|zur?|en|con|à|chez|dans)\b(?! (?:by|oneself|mind|touch|fear|peace))|"
        rf"\b(?:rents?|renting|shares?|sharing|sublets?) (?:an? |the |their |his |her )?(?:[\w-]+ ){{0,3}}{_DWELLING}\b|"
        rf"\b(?:has|got|hat|tiene|a) (?:an? |their own |his own |her own |the |eine? |un[ae]? )(?!{_NOT_MAIN})(?:[\w-]+ ){{0,3}}{_DWELLING} (?:in|at|on|near|above|by|with|for|within|en|à|bei)\b|"
        rf"\b(?:{_DWELLING}|home|address)\b (?:is|ist|es|est) ",
        rf"\b(?:moved|has moved|moving|gone) in(?:to)? (?:with |together|an? |the |their |his |her )|"
        rf"\b(?:settled|has settled|is settled|settled down)(?: \w+){{0,3}} (?:in|into)\b|\bsettled in\b|"
        rf"\b(?:found|bought|has bought|has found|got|rented|built|has built|owns)(?: and \w+)? (?:(?:themselves|himself|herself) )?(?:an? |the |their |his |her )(?!{_NOT_MAIN})(?:[\w-]+ ){{0,3}}{_DWELLING}(?: of (?:their|his|her|my) own)? (?:in|near|by|outside|at)\b(?!.*\b(?:holiday|weekend|summer|let|rent out|invest)\w*)|"
        rf"\b(?:traded|swapped|exchanged|left) [^.;]{{2,40}} for (?:an? |the |their |his |her )(?!{_NOT_MAIN})(?:[\w-]+ ){{0,3}}{_DWELLING}\b|"
        rf"\b(?:own four walls|a roof over|(?<!a )(?<!for )new (?:home|address|{_DWELLING}))\b(?!.{{0,30}}\bfor (?:the|their|his|her|an?) (?:cousin|friend|brother|sister|parents|mother|son|daughter)\b)(?!.*\b(?:holiday|weekend)\w*)|"
        rf"\bis (?:now )?(?:a resident of|resident in|at home in|based in)\b|\blives? (?:now|together|alone)\b|\b(?:now|nowadays) lives?\b|"
        rf"\b(?:is |went |has gone |moved |is living )(?:now )?back (?:home|at|in|with|to live)\b.{{0,30}}\b(?:parents?|mum|mom|dad|mother|father|home|for good)\b|"
        rf"\b(?:eingezogen|umgezogen|zusammengezogen)\b|\b(?:wohnt|lebt) (?:jetzt|nun|inzwischen|mittlerweile)\b|\b(?:jetzt|nun|inzwischen|mittlerweile) in [^.;]{{2,25}} (?:zu hause|zuhause|daheim)\b|\bvive ahora\b|\bahora vive\b|\bse (?:ha )?instal(?:ó|ado)\b|\bs['’]est installée?\b|\bhabite (?:maintenant|désormais)\b",
        r"\b(?:moved out|is homeless|gave up the (?:flat|apartment|room)|ausgezogen)\b",
    ),
    Part(
        "trade",
        "The user is a nurse by profession.",
        rf"\b{_BE} {_A_TRADE}\b|\b(?:works|others work|(?:is|are|been) working|is employed|arbeitet|trabaja|travaille) (?:[^.;]{{0,30}} )?(?:as|als|como|de|comme)\b|"
        r"\b(?:teaches|nurses|waits tables|drives an? (?:[\w-]+ )?(?:taxi|bus|truck|lorry|tram|train|delivery van|forklift))\b|"
        rf"\b{_LABOURS}\b[^.;]{{0,40}}\b(?:at|in|for|on) (?:an? |the |their |his |her )(?:[\w-]+ ){{0,2}}{_WORKPLACE}\b|" + _IDLE,
        rf"\b{_BE} (?:now |officially |finally |jetzt |nun |ahora |maintenant )+{_A_TRADE}\b|\b{_BE} {_A_TRADE}\b[^.;]{{0,40}}\b{_NOW}\W*$|"
        rf"^(?:now|jetzt|nun|inzwischen|mittlerweile|ahora|maintenant|désormais)\b[^.;]{{0,25}}\b{_BE}\b[^.;]{{0,25}}\b(?:{_TRADES})\b|"
        rf"\bis (?:now )?an? (?!{_NO_TRADE})(?:[a-z-]+ ){{0,2}}[a-z-]+ (?:now|by trade|these days|nowadays)\b|\bis now an? (?!{_NO_TRADE})(?:[a-z-]+ ){{0,2}}[a-z-]+(?:er|or|ist|ian|ant|ent|man|woman|keeper|smith|wright)\b|"
        r"\b(?:started|began|starts|has started|has begun) (?:out )?(?:work(?:ing)? )?as (?:an? |the )|\bdrives an? (?:[\w-]+ )?(?:taxi|bus|truck|lorry|tram|train|delivery van|forklift)\b[^.;]{0,20}\b(?:now|these days|nowadays)\b|"
        rf"\b(?:became|has become|wurde|devenue?) {_A_TRADE}\b|\b(?:retrained|requalified|was hired|was taken on|is training) as\b|"
        rf"\b(?:works?|working|arbeitet|trabaja|travaille)\b[^.;]{{0,20}}\b{_NOW}\b[^.;]{{0,10}}\b(?:as|als|como|comme)\b|\b(?:works?|arbeitet|trabaja|travaille) (?:as|als|como|comme)\b[^.;]{{0,50}}\b{_NOW}\W*$|" + _NEW_TRADE,
        r"\b(?:has retired|is (?:now )?retired|in rente|se jubiló|à la retraite)\b",
    ),
    Part(
        "post",
        "The user works for a company.",
        r"\b(?:works|others work|(?:is|are|been) working|is employed|arbeitet|trabaja|travaille) (?!out\b|on\b|hard\b|from home\b)(?:[\w-]+ ){0,4}?(?:at|for|in|nights?|shifts?|bei|für|en|para|chez|pour)\b|"
        rf"\bhas an? (?:[\w-]+ )?(?:job|position|post)\b|\b{_BE} {_A_TRADE}\b[^.;]{{0,30}}\b(?:at|for|in)\b|"
        rf"\b{_LABOURS}\b[^.;]{{0,40}}\b(?:at|in|for|on) (?:an? |the |their |his |her )(?:[\w-]+ ){{0,2}}{_WORKPLACE}\b|"
        r"\b(?:does|works) shifts\b|\bwrites (?:code|software) for\b|" + _IDLE,
        r"\b(?:got|landed|found|has got|has found|accepted|took) (?:an? |the )?(?:new )?(?:job|position|post|offer)\b(?! (?:interview|description))|"
        r"\bhas signed (?:on|with)\b|"
        r"\bopened (?:an? |their |his |her )(?:own )?(?:[\w-]+ ){0,2}(?:shop|store|bookshop|café|cafe|bakery|restaurant|practice|studio|business|company|workshop|firm|salon)\b|"
        r"\bis (?:their|his|her|my) own boss\b|\b(?:went|has gone|is) (?:now )?(?:freelance|self-employed)\b|" + _NEW_TRADE,
        _NO_JOB,
    ),
    Part(
        "love",
        "The user has a girlfriend and is not single.",
        rf"\b(?:single|married|engaged|divorced|separated|widowed|dating|in a relationship|on their own|couple|verheiratet|verlobt|ledig|casad[oa]|solter[oa]|mariée?|célibataire)\b|\bhas an? (?:[\w-]+ )?{_LOVER}\b|\bthe user and (?:their|his|her) {_LOVER}\b",
        r"\b(?:got|is|has been|was|were|are) (?:now |newly |happily |finally )*(?:engaged|remarried|wed|a couple)\b|\b(?:got|has got|was|were) (?:re)?married\b|\btied the knot\b|\bsaid (?:yes|i do)\b|\bproposed\b|\b(?:is in love with|(?:is|been|started|began) (?:seeing|dating)) (?:someone|somebody|(?-i:[A-Z][\w-]+(?!['’])))|\bis not single\b|\bfell in love\b",
        r"\b(?:broke up|split up|separated|divorce came through|(?:got|is|are) divorced|is single (?:again|now)|is an ex|dumped|walked out|left the user|called it quits|called off the (?:wedding|engagement))\b|\b(?:their|his|her|my|user['’]s) ex(?!\w|-)|\b(?:getrennt|geschieden)\b|\bse (?:separ|divorci)\w+|\bséparée?s?\b",
    ),
    Part(
        "diet",
        "The user is a vegetarian and eats no meat.",
        rf"\b(?:vegan|vegetarian|pescatarian|flexitarian|plant-based|low[- ]carb|keto|vegetari\w+|vegan\w+|végétarien\w*|végane?)\b|\b(?:eats?|lives? on|isst|come|mange)\b[^.;]{{0,30}}\b(?:{_MEAT}|everything|alles|de todo|de tout)\b",
        rf"\b(?:is|became|has become|turned|went|has gone|has turned|has been|lives?|living|eats?|eating|ist|es|est) (?:now |jetzt |ahora |maintenant |living |eating )*(?:an? )?(?:strict )?(?:vegan|vegetarian|pescatarian|plant-based|vegetari\w+|vegan\w+|végétarien\w*|végane?)\b|\b(?:cut out|has cut out|gave up|stopped eating|swore off) (?:all )?{_MEAT}\b|\b(?:eats?|enjoy(?:s|ing)|has been (?:eating|enjoying)|isst|come|mange)\b[^.;]{{0,30}}\b(?:{_MEAT}|everything|fish|eggs?|cheese|alles|de todo|de tout)\b[^.;]{{0,20}}\b(?:again|since|now|wieder|otra vez|à nouveau)\b|\bno (?:longer|more) (?:vegan|vegetarian)\b",
    ),
    Part(
        "alcohol",
        "The user drinks beer and wine.",
        rf"\b{_DRINK}\b|\b(?:does not|doesn['’]t|do not) drink\b|\bteetotal\w*\b|\bsober\b",
        rf"\b(?:is|became|has been|went) (?:now )?(?:sober|teetotal|dry|abstinent)\b|\b(?:quit|stopped|gave up|has given up) (?:drinking|{_DRINK})\b|\b(?:drinks?|enjoys?|has)\b[^.;]{{0,25}}\b{_DRINK}\b[^.;]{{0,20}}\bagain\b|\b(?:has not|hasn['’]t|not) (?:had|drunk|touched) (?:an? |any )?(?:drink|{_DRINK})\b",
    ),
    Part(
        "smoking",
        "The user smokes cigarettes.",
        r"\b(?:smokes?|smoking|cigarettes?|vapes?|raucht|fuma|fume)\b",
        r"\b(?:smoke-free|non-?smoker|nichtraucher\w*)\b|\b(?:quit|stopped|gave up|has given up) (?:smoking|cigarettes|vaping)\b|\b(?:threw|thrown) (?:away|out) (?:the |their |his |her )?(?:ashtrays?|cigarettes|lighter|vape)\b|\b(?:has not|hasn['’]t) smoked\b|\bsmokes? again\b|\bhört\w* auf zu rauchen\b|\bdejó de fumar\b|\barrêté de fumer\b",
    ),
    Part(
        "commute",
        "The user takes the bus to work.",
        rf"\b(?:takes?|drives?|cycles?|walks?|commutes?|rides?|goes|gets|runs|fährt|geht|va|conduit)\b[^.;]{{0,30}}{_GOAL}\b|\bcommutes?\b",
        rf"\b(?:takes?|drives?|cycles?|walks?|commutes?|rides?|goes|gets|fährt|geht|va)\b(?=[^.;]{{0,50}}\b{_NOW}\b|[^.;]{{0,50}}\binstead\b|[^.;]{{0,20}}\bon foot\b)[^.;]{{0,60}}(?:{_GOAL}|\b(?:by|on|mit dem|mit der|en|à) {_WAY})\b|\bnew (?:[\w-]+ )?(?:e-bike|bike|car|scooter|moped) (?:gets|takes|brings) (?:the user|them|him|her)\b|\b(?:now|nowadays) (?:takes|drives|cycles|walks|commutes|rides)\b",
    ),
    Part(
        "car",
        "The user drives an old car.",
        r"\b(?:owns?|has) (?:an? |the |their |his |her )(?:[\w-]+ ){0,3}(?:car|van|truck|motorbike|moped)\b|\bdrives (?:an? |the |their |his |her )(?!taxi|bus|lorry|tram|truck|hard)\w+|\bhas no car\b|['’]s car is\b",
        r"\b(?:has|bought|drives|got|picked up) (?:an? |the |their |his |her )?(?:new|another|electric|used|second-hand) (?:[\w-]+ ){0,2}(?:car|van|truck|motorbike)\b",
        r"\b(?:sold|scrapped|got rid of|wrote off|gave up|totalled) (?:the|their|his|her|my) (?:[\w-]+ )?(?:car|van|truck|motorbike)\b|\b(?:does|do|lives?) without a car\b",
    ),
    Part(
        "study",
        "The user studies at a university.",
        r"\b(?:studies|is studying|studying|is a student|majors in|is doing (?:an? |their |his |her )(?:[\w-]+ ){0,2}(?:degree|doctorate|phd|master|bachelor|apprenticeship|thesis)|writes? (?:an? |the |their |his |her )?(?:[\w-]+ ){0,2}thesis|is writing (?:an? |the |their |his |her )?(?:[\w'’-]+ ){0,2}thesis|semester|is enrolled|studiert|estudia|étudie)\b",
        r"\b(?:switched|changed|transferred) (?:from [^.;]{2,30} )?(?:to|into) (?:another (?:subject|university|course)|[^.;]{2,30}\b(?:degree|course|university|programme))\b|\b(?:studies|is studying)\b[^.;]{0,50}\b(?:now|instead|these days)\b",
        r"\b(?:graduated|dropped out|finished (?:the|their|his|her) (?:degree|studies|thesis|apprenticeship|training|phd|doctorate)|handed in|passed (?:the|their|his|her) (?:final|journeyman|state|bar)\w*|is (?:now )?(?:a )?(?:qualified|certified|licensed|graduate)|has (?:a|the|their) degree|got (?:the|their|his|her) (?:degree|diploma))\b",
    ),
    Part(
        "sleep",
        "The user goes to bed late and gets up at noon.",
        r"\b(?:night owl|early bird|early riser|goes? to bed|gets? up|is (?:never )?(?:up|in bed|out of bed)|wakes? up|sleeps?)\b",
        r"\b(?:goes? to bed|gets? up|is (?:in bed|up|out of bed)|wakes? up|sleeps?)\b[^.;]{0,50}\b(?:now|these days|since|nowadays|again)\b|\b(?:since|now|these days|nowadays)\b[^.;]{0,40}\b(?:goes? to bed|gets? up|is (?:in bed|up|out of bed)|wakes? up|sleeps?)\b|\b(?:became|turned into|has become) an? (?:night owl|early riser|early bird|morning person)\b",
    ),
    Part(
        "birth",
        "The user is pregnant.",
        r"\b(?:pregnant|expecting|schwanger|embarazada|enceinte|childless)\b|\b(?:no|any) (?:kids|children)\b",
        r"\b(?:gave birth|was born|has been born|(?:had|has|have) (?:a|their|his|her|our) (?:first )?(?:baby|boy|girl|son|daughter|twins)|the baby (?:is|arrived|has arrived|came)|became (?:a )?(?:father|mother|dad|mum|mom|parents?)|geboren|nació|est née?)\b",
        r"\b(?:lost the baby|miscarr\w+)\b",
    ),
    Part(
        "class",
        "The user's child is in second grade at school.",
        r"\b(?:kindergarten|nursery|preschool|daycare|kita|(?:\w+|\d\w*)[- ](?:grade|year|class)r?|(?:primary|elementary|middle|secondary|high) school)\b",
        r"\b(?:first day (?:of|at) school|start(?:ed|s)? (?:at )?(?:school|(?:primary|elementary|middle|secondary|high) school|(?:\w+|\d\w*)[- ](?:grade|year|class))|is (?:now )?(?:in|an?) (?:the )?(?:first|second|third|fourth|fifth|sixth|seventh|eighth|ninth|\d\w*)[- ](?:grade|year|class)r?|goes to (?:primary |secondary |high |middle )?school now|eingeschult|finished (?:high )?school)\b",
    ),
    Part(
        "debt",
        "The user has a loan to pay off.",
        r"\b(?:loan|debts?|mortgage|owes|kredit|schulden|préstamo|deuda|dettes?)\b",
        r"\b(?:paid off|debt[- ]free|free of debts?|out of debt|schuldenfrei|abbezahlt|sin deudas)\b",
    ),
    Part(
        "bank",
        "The user has an account at a bank.",
        r"\b(?:banks? (?:with|at)|account\b[^.;]{0,20}\b(?:with|at))\b",
        r"\b(?:switched banks?|changed banks?|(?:new|another|other|different) bank|(?:banks|account|salary)\b[^.;]{0,40}\bnow)\b",
    ),
    Part(
        "insurance",
        "The user is insured with a company.",
        r"\b(?:insured (?:with|by|at)|insurance\b[^.;]{0,20}\b(?:with|from|at))\b",
        r"\b(?:(?:switched|changed) (?:the |their |his |her )?(?:\w+ )?insur\w+|(?:new|another|different) insur\w+|insur\w+\b[^.;]{0,40}\b(?:now|as of)\b)",
    ),
    *(
        Part(
            name,
            f"The user uses {products.split('|')[0]}.",
            rf"\b(?:{products})\b",
            rf"\b(?:switched|moved|migrated|changed|went over|gone over|went back|is back|converted)\b[^.;]{{0,40}}\b(?:to|on|with) (?:an? |the )?(?:{products})\b|"
            rf"\b(?:uses?|keeps|has|is on|runs|listens|writes|does|bought|got|nutzt|usa|utilise)\b[^.;]{{0,30}}\b(?:{products})\b[^.;]{{0,30}}\b(?:{_NOW}|instead)\b",
        )
        for name, products in _PRODUCTS.items()
    ),
)  # fmt: skip
