# ruff: noqa: E501 - a pattern is read more easily on one line
"""The words that fill a slot, and those that empty it; data for ``memory.slots``.

``{value}`` is the value, ``(?P<key>…)`` fills ``{key}`` of the slot's name. A pattern that begins
with ``'s`` reads what the subject owns ("'s favourite colour is …"), the others what it does.
"""

from __future__ import annotations

STOPS = (
    r"\s*(?:$|[.,;!?()—–:]|\s-\s|\b(?:as|since|in|on|at|for|with|from|until|till|and|but|because|"
    r"now|again|who|which|that|where|after|before|when|while|near|close to|starting|anymore|"
    r"any more|currently|during|this|last|next|so|though|not|instead|rather|yesterday|today|ago|"
    r"two|three|several|a few|about|these days|lately|every|by|to be|full-time|part-time|then|"
    r"als|seit|und|aber|bei|im|mit|bis|jetzt|weil|nicht|statt|gezogen|umgezogen|gewechselt|"
    r"desde|como|pero|hasta|porque|ahora|con|"
    r"depuis|comme|mais|chez|avec|jusqu|maintenant|pour)\b)"
)

UNSURE = (
    r"\b(?:wants? to|wanted to|wishe?s?|would|hopes? to|plans? (?:to|on)|planned to|planning|might|"
    r"may\b(?! \d)|could|if|unless|considering|consider(?:s|ed)?|thinking (?:of|about)|feels? like|thought "
    r"about|dream(?:s|ed|t)? (?:of|about)|about to|will|'ll|going to|used to|no longer|never|"
    r"n['’]t|does not|do not|did not|is not|was not|has not|formerly|previously|imagine[sd]?|"
    r"pretends?|jok(?:es?|ed|ing|ingly)|almost|nearly|supposed to|offer(?:ed)? |applied|applying|"
    r"applies|also works|also has|second job|side job|volunteer\w*|visit(?:s|ed|ing)?|interview\w*|"
    r"möchte|würde|könnte|vielleicht|früher|nicht mehr|will|plant|falls|"
    r"quiere|quisiera|querría|tal vez|quizás?|ya no|planea|antes|si|"
    r"veut|voudrait|peut-être|ne\b.{1,20}\bplus|envisage|avant)\b"
)

_CAP = r"(?=(?-i:[A-ZÀ-Þ0-9]))"
_NEW_JOB = r"(?:(?:a|the|his|her|their|my) )?(?:new )?(?:job|role|position|post|work|working) "
_TITLES = (
    "nurse|teacher|engineer|developer|designer|manager|chef|cook|baker|doctor|lawyer|driver|"
    "director|consultant|analyst|accountant|pilot|carpenter|librarian|electrician|plumber|"
    "journalist|architect|professor|therapist|pharmacist|photographer|programmer|scientist|"
    "researcher|translator|barista|firefighter|paramedic|editor|clerk|waiter|waitress|paralegal|"
    "vet|receptionist|writer|gardener|secretary|dispatcher|butcher|tailor|farmer|policeman|officer|"
    "economist|psychologist|physicist|chemist|biologist|dentist|surgeon|mechanic|painter|actor|"
    "actress|musician|cashier|salesman|saleswoman|administrator|assistant|intern|postman|welder"
)
_EMPLOYER = (
    rf"\b(?:is|was hired as|became) (?:now )?(?:an? )?(?:[a-zà-ÿ-]+ ){{0,2}}(?:{_TITLES}) (?:at|for) {{value}}",
    r"(?:\b(?:works|working|employed)|(?:^|\band|\balso) ?(?:now |currently |still )?work) (?:now |currently |full-time |"
    r"part-time |remotely )*(?:at|for) {value}",
    r"\bworks? as (?:[^.;,]{2,40}?) (?:at|for) {value}",
    rf"\b(?:teaches|lectures|nurses) (?:[^.;,]{{2,40}}? )?(?:at|for) (?:the )?{_CAP}{{value}}",
    rf"\b(?:start(?:ed|s)?|began|begun|got|took|accepted|has|have|found|landed) {_NEW_JOB}"
    rf"(?:as (?:[^.;,]{{2,40}}?) )?(?:at|for|with) {{value}}",
    rf"\b(?:started|begun|began|starts) (?:out )?(?:at|with) {_CAP}{{value}}",
    rf"\b(?:has |have )?joined {_CAP}{{value}}",
    r"\b(?:was |were |been |got )?hired (?:by|at) {value}",
    r"\b(?:switched|moved|changed|went)(?: jobs)?(?: from [^.;,]{2,30}?)? to (?:work (?:at|for) )"
    r"{value}",
    r"\b(?:switched|changed|moved) (?:jobs|employers)(?: from [^.;,]{2,30}?)? to {value}",
    r"'s (?:new |current )?(?:employer|company) is (?:now )?{value}",
    r"\barbeite[tn]? (?:jetzt |nun |derzeit )?(?:bei|für) (?:der |dem )?{value}",
    r"\b(?:hat |habe )?(?:bei|zu) (?:der |dem )?{value} (?:angefangen|gewechselt)",
    r"\b(?:trabaj[ao]|empez[óé] a trabajar|comenz[óé] a trabajar) (?:ahora )?(?:en|para) {value}",
    r"\b(?:travaille|a commencé|ai commencé)(?: à travailler)? (?:maintenant )?(?:chez|pour) {value}",
)
_TITLE = (
    r"\bworks? (?:now |currently )?(?:[^.;]{0,40}?)as (?:an? |the )?{value}",
    r"\b(?:was |got |been )?promoted to {value}",
    r"\b(?:became|becomes|has become|is now|retrained as|trains as|is) (?:now )?(?:an? )?"
    rf"(?P<value>(?:[a-zà-ÿ-]+ ){{0,2}}(?:{_TITLES}))\b",
    r"\barbeitet? (?:jetzt )?als {value}",
    r"\btrabaj[ao] (?:ahora )?(?:como|de) {value}",
    r"\btravaille (?:maintenant )?comme {value}",
)
_HOME = (
    r"'s (?:new |current )?home is (?:now )?(?:in )?{value}",
    rf"'s (?:new |current |own )?(?:place|flat|apartment|house|home|room|studio) (?:is )?(?:now )?in (?:the )?{_CAP}{{value}}",
    rf"\b(?:rents?|(?:is|are) renting|owns?|shares?|has|have) (?:an? |my |his |her |their )?(?:[\w-]+ ){{0,3}}(?:flat|apartment|house|room|studio) in (?:the )?{_CAP}{{value}}",
    rf"\b(?:lives?|living|has lived|resides?|based|settled)\b[^.;]{{0,45}}?\b(?:in|near) (?:the )?{_CAP}{{value}}",
    r"\b(?:lives?|living|resides?|based) (?:now |currently )?in (?!an? |the |my |his |her ){value}",
    rf"\b(?:moved|relocated|moves)\b(?: house)?(?:[^.;]{{0,45}}?)\b(?:to|into) (?:the )?{_CAP}{{value}}",
    r"\bmoved (?:back )?to (?!an? |the |my |his |her |another ){value}",
    r"\b(?:wohn(?:t|e|en)|leb(?:t|e|en)) (?:[^.;]{0,45}?)in {value}",
    r"\b(?:ist|bin|sind) (?:[^.;]{0,30}?)nach {value} (?:um)?gezogen",
    r"\bzog (?:[^.;]{0,25}?)nach {value}",
    rf"\b(?:viv[eo]|reside) (?:[^.;]{{0,25}}?)en {_CAP}{{value}}",
    rf"\bse (?:mudó|ha mudado|mud[óe]) (?:[^.;]{{0,20}}?)a {_CAP}{{value}}",
    rf"\b(?:habite|vit|vis) (?:[^.;]{{0,25}}?)(?:à|en|au) {_CAP}{{value}}",
    rf"\b(?:a|ai|est|suis) (?:déménagé|emménagé|installée?) (?:[^.;]{{0,20}}?)(?:à|en|au) {_CAP}{{value}}",
)
_PARTNER_WORD = (
    r"(?:wife|husband|partner|girlfriend|boyfriend|fiancée?|fiance|spouse|frau|ehemann|ehefrau|"
    r"freund|freundin|esposa|esposo|marido|mujer|novia|novio|pareja|femme|mari|copine|copain|"
    r"compagnon|compagne)"
)
_CALLED = (
    r"(?:is|was|are|'s|ist|es|est|heißt|heisst|se llama|s['’]appelle|'s name is|is now)"
    r"(?: (?:called|named))?"
)
_NAME = r"(?-i:[A-ZÀ-Þ][\wÀ-ÿ'’-]*(?: [A-ZÀ-Þ][\wÀ-ÿ'’-]*)?)"
_UNIQUE_KIN = (
    r"mother|father|mom|mum|dad|boss|manager|landlord|landlady|therapist|dentist|doctor|gp|"
    r"physiotherapist|accountant|trainer|coach|supervisor|mother-in-law|father-in-law|"
    r"piano teacher|guitar teacher|hairdresser|chef|chefin|zahnarzt|zahnärztin|hausarzt|hausärztin|"
    r"mutter|vater|madre|padre|jefe|jefa|dentista|mère|père|dentiste|médecin"
)
_PET = (
    r"dog|cat|puppy|kitten|horse|parrot|rabbit|hamster|tortoise|turtle|goldfish|snake|guinea pig|"
    r"budgie|bird|hund|katze|kater|pferd|perro|perra|gato|gata|chien|chienne|chat|chatte"
)
_THINGS = (
    r"date of birth|age|shoe size|blood type|address|postcode|zip code|height|weight|"
    r"wi-?fi password|license plate|passport number|salary|rent|mother tongue|native language|"
    r"middle name|last name|surname|maiden name|nickname"
)

SYNONYMS = {
    "hund": "dog", "perro": "dog", "perra": "dog", "chien": "dog", "chienne": "dog", "puppy": "dog",
    "katze": "cat", "kater": "cat", "gato": "cat", "gata": "cat", "chat": "cat", "chatte": "cat",
    "kitten": "cat", "pferd": "horse", "mom": "mother", "mum": "mother", "dad": "father",
    "mutter": "mother", "madre": "mother", "mère": "mother", "vater": "father", "padre": "father",
    "père": "father", "manager": "boss", "supervisor": "boss", "chef": "boss", "chefin": "boss",
    "jefe": "boss", "jefa": "boss", "landlady": "landlord", "gp": "doctor", "hausarzt": "doctor",
    "hausärztin": "doctor", "médecin": "doctor", "zahnarzt": "dentist", "zahnärztin": "dentist",
    "dentista": "dentist", "dentiste": "dentist", "surname": "last name", "turtle": "tortoise",
    "date of birth": "birthday", "zip code": "postcode", "native language": "mother tongue",
    "farbe": "colour", "color": "colour", "couleur": "colour", "essen": "food", "comida": "food",
    "plat": "food", "film": "film", "movie": "film", "buch": "book", "libro": "book",
    "livre": "book",
}  # fmt: skip

PATTERNS: tuple[tuple[str, str], ...] = (
    *(("employer", pattern) for pattern in _EMPLOYER),
    *(("job", pattern) for pattern in _TITLE),
    *(("home", pattern) for pattern in _HOME),
    ("partner", rf"'s {_PARTNER_WORD},? {_CALLED} (?P<value>{_NAME})"),
    ("partner", rf"'s {_PARTNER_WORD}(?:'s)? (?:name )?{_CALLED} (?P<value>{_NAME})"),
    ("partner", rf"'s {_PARTNER_WORD},? (?P<value>{_NAME})"),
    ("partner", rf"\bis (?:now )?(?:dating|seeing|engaged to|together with) (?P<value>{_NAME})"),
    ("partner", rf"\b(?:is |got |has |was )?(?:re)?married (?:to )?(?P<value>{_NAME})"),
    (
        "partner",
        rf"\b(?:has a|started dating)(?: new)?(?: {_PARTNER_WORD})?(?: called| named)? "
        rf"(?P<value>{_NAME})",
    ),
    (
        "marital",
        r"\bis (?:now |currently |still |newly |happily )*(?P<value>single|married|divorced|"
        r"engaged|widowed|separated)\b",
    ),
    ("marital", r"\bgot (?P<value>married|divorced|engaged)\b"),
    (
        "marital",
        r"\b(?:ist|bin|está|es|est|suis) (?:jetzt |ahora )?(?P<value>verheiratet|geschieden|"
        r"ledig|verlobt|casad[oa]|divorciad[oa]|solter[oa]|mariée?|divorcée?|célibataire)\b",
    ),
    ("name", rf"'s(?<=^'s) (?:first |full |real )?name {_CALLED} (?P<value>{_NAME})"),
    (
        "name",
        rf"\b(?:is called|is named|goes by|am called|heißt|se llama|me llamo|s['’]appelle|"
        rf"m['’]appelle|heiße) (?P<value>{_NAME})",
    ),
    (
        "age",
        r"\b(?:is|am|turned|has turned|just turned) (?P<value>\d{1,3})\b(?!\.\s?\w| (?:m\b|cm|kg|km|minutes|"
        r"hours|weeks|months|days|metres|meters|miles|%))",
    ),
    ("age", r"\b(?:ist|bin) (?P<value>\d{1,3})(?: jahre alt|\W*$)"),
    ("age", r"\b(?:tiene|tengo|a|ai) (?P<value>\d{1,3}) (?:años|ans)"),
    ("birthday", r"\bwas born on (?:the )?(?P<value>[^.;]{3,25}?)(?: in\b|[.;,]|$)"),
    ("birthday", r"'s birthday (?:is|falls)(?: on)? (?:the )?(?P<value>[^.;]{3,25}?)(?:[.;,]|$)"),
    ("hometown", r"\b(?:comes from|is originally from|was born in|grew up in|hails from) {value}"),
    (
        "phone",
        r"'s (?:new |current )?(?:phone|mobile|telephone|cell)?(?: phone)? ?(?:number|no\.?) "
        r"(?:is|has changed to|changed to) (?:now )?(?P<value>[+\d][\d ()/.-]{3,})",
    ),
    (
        "email",
        r"'s (?:new |work |current )?e-?mail(?: address)? (?:is|has changed to|changed to) "
        r"(?:now )?(?P<value>[^\s,;]+@[^\s,;]+)",
    ),
    (
        "{key}",
        rf"'s (?:new |current )?(?P<key>{_THINGS}) (?:is|has changed to|changed to|equals) "
        rf"(?:now )?{{value}}",
    ),
    (
        "{key}",
        rf"'s (?:new |current )?(?P<key>{_UNIQUE_KIN})(?:'s name)?,? {_CALLED} "
        rf"(?P<value>(?:Dr\.? |Ms\.? |Mr\.? |Mrs\.? )?{_NAME})",
    ),
    (
        "{key}",
        r"\b(?:has a new |switched to a new |changed to a new )(?P<key>dentist|doctor|gp|"
        r"therapist|boss|manager|landlord|landlady|accountant|coach|trainer)"
        rf"(?:,? called|,? named|,)? ?(?P<value>(?:Dr\.? |Ms\.? |Mr\.? |Mrs\.? )?{_NAME})",
    ),
    (
        "favourite:{key}",
        r"'s (?:new |current |all-time )?favou?rite (?P<key>[\w-]+(?: [\w-]+)??) "
        r"(?:these days |now |nowadays |currently |lately |at the moment |right now |of all time |still |ever )*"
        r"(?:is|has become|are|changed to) (?:now )?{value}",
    ),
    ("favourite:{key}", r"'s lieblings(?P<key>\w+) ist (?:jetzt )?{value}"),
    ("favourite:{key}", r"'s (?P<key>\w+) (?:favorit[oa]|préférée?) (?:es|est) {value}"),
    (
        "pet:{key}",
        rf"'s (?:new |old |pet |second )?(?P<key>{_PET})(?:'s name)? {_CALLED} "
        rf"(?P<value>{_NAME})",
    ),
    (
        "pet:{key}",
        rf"\b(?:has|have|got|adopted|bought|owns|hat|habe|tiene|tengo|a|ai) (?:an?|eine[n]?|un[ae]?) (?:[a-z-]+ ){{0,2}}(?P<key>{_PET})"
        rf"(?:,| called| named| whose name is| namens| llamad[oa]| nommée?| appelée?) ?(?:called |named )?(?P<value>{_NAME})",
    ),
    ("car", r"\bhas (?P<value>no car)\b"),
    (
        "diet",
        r"\b(?:is|am|became|has become|turned|went|has turned|eats|follows) (?:now )?"
        r"(?:a |an )?(?:strict |strictly )?(?P<value>vegan|vegetarian|pescatarian|keto|paleo|"
        r"pescetarian|omnivore|flexitarian|gluten-free|carnivore)\b",
    ),
    (
        "diet",
        r"\b(?:ist|bin|lebt|lebe|es|soy|est|suis|ernährt sich) (?:jetzt |ahora )?(?P<value>vegan|"
        r"vegetarisch|veganer(?:in)?|vegetarier(?:in)?|vegan[oa]|vegetarian[oa]|végane|"
        r"végétarien(?:ne)?)\b",
    ),
    (
        "car",
        r"\b(?:drives|drive) (?:now )?(?:an? |my |his |her |their )(?!bus|taxi|truck|hard)"
        r"{value}",
    ),
    (
        "car",
        r"\b(?:bought|got|leased|owns|picked up) an? (?:new |used |second-hand )?"
        r"(?P<value>(?-i:(?:blue |red |grey |white |black )?(?:Tesla|Toyota|Honda|Ford|BMW|Audi|"
        r"Volkswagen|VW|Skoda|Fiat|Renault|Peugeot|Volvo|Mazda|Kia|Hyundai|Nissan|Opel|Seat|Mini|"
        r"Subaru|Mercedes|Dacia|Citroën|Jeep|Polestar|Lexus)[\w ]{0,15}?))(?=\s*(?:[.,;]|$|"
        r"\b(?:in|on|from|last|for|and|after|this|with|to)\b))",
    ),
    ("car", r"'s (?:new |current )?car is (?:now )?{value}"),
    (
        "phone model",
        r"\b(?:uses|has|bought|got|switched to) an? (?:new )?(?P<value>(?:iphone|pixel|"
        r"galaxy|fairphone|oneplus|nokia|xiaomi)[\w ]{0,10}?)(?=\s*(?:[.,;]|$|\b(?:in|on|"
        r"from|last|for|and|as|after)\b))",
    ),
    (
        "school",
        r"\b(?:studies|study|is studying|enrolled|is enrolled)\b[^.;]{0,45}?\b(?:at|in) (?:the )?"
        r"(?P<value>(?-i:(?:[A-ZÀ-Þ][\w'’.-]*|of|for|de|la) ?){1,6})",
    ),
    (
        "school",
        r"\b(?:goes to|attends|transferred to|switched to) (?:the )?(?P<value>(?-i:(?:[A-ZÀ-Þ]"
        r"[\w'’.-]*|of|for|de|la) ?){1,5}(?:School|University|College|Academy|Institute|"
        r"Kindergarten)(?: of(?: [A-Z]\w+){1,2})?)",
    ),
    (
        "major",
        r"\b(?:studies|is studying|majors in|is majoring in|switched (?:her |his |their |my )?major"
        r" to) (?!at\b|in\b|for\b|hard|abroad){value}",
    ),
    (
        "gym",
        r"\b(?:goes to|trains at|works out at|is a member (?:of|at)|joined|switched to) (?:the |a )?"
        r"(?P<value>[\w' -]{0,30}?(?:gym|fitness|fit|crossfit|mcfit)\b[\w' -]{0,15}?)(?=\s*(?:[.,;]|$|"
        r"\b(?:in|on|near|once|twice|three|two|after|every|last|since)\b))",
    ),
    (
        "bank",
        r"\b(?:banks with|switched banks to|is a customer of|switched (?:his|her|their) bank to) "
        r"{value}",
    ),
    (
        "religion",
        r"\b(?:is|became|converted to) (?:an? )?(?P<value>buddhist|buddhism|muslim|islam|"
        r"catholic|christian|hindu|jewish|judaism|atheist|agnostic)\b",
    ),
    ("height", r"\bis (?P<value>\d[\d.,]* ?(?:cm|m|feet|ft|meters|metres))(?: tall)?"),
    (
        "salary",
        r"\b(?:makes|earns) (?:now )?(?P<value>[$€£]?\d[\d.,]*k?(?: euros| dollars| pounds)?)(?! (?:videos|cups|cakes|%|percent))\b",
    ),
    (
        "rent",
        r"\bpays (?:now )?(?P<value>[$€£]?\d[\d.,]*(?: euros| dollars| pounds)?) (?:in |of |a month in |for )?rent\b",
    ),
    (
        "weight",
        r"\bis (?:now )?(?:down to|up to|at) (?P<value>\d[\d.,]* ?(?:kg|kilos?|pounds|lbs?|stone))",
    ),
    ("weight", r"\bweighs (?P<value>\d[\d.,]* ?(?:kg|kilos?|pounds|lbs?|stone))"),
)

_NOT = r"(?:no longer|does(?:n['’]t| not)|do(?:n['’]t| not)|stopped|is(?:n['’]t| not)|has stopped|quit)"
DENIALS: tuple[tuple[str, str], ...] = (
    ("employer", rf"\b{_NOT} (?:work(?:s|ing)?|employed) (?:at|for|with) {{value}}"),
    (
        "employer",
        r"\b(?:quit|left|was fired from|was laid off from|resigned from|was let go from|"
        r"has left|lost) (?:(?:his|her|their|my|the) )?(?:old )?(?:job|position|role|post) "
        r"(?:at|with|in) {value}",
    ),
    (
        "employer",
        r"\b(?:quit|left|(?:was|got) (?:fired|sacked|laid off|let go) (?:from|by|at)|resigned from) "
        r"(?=(?-i:[A-Z])){value}",
    ),
    (
        "employer",
        r"\b(?:is (?:\w+ )?(?:unemployed|retired|jobless|between jobs|out of (?:work|a job))|retired|lost (?:his|her|"
        r"their|my) job|quit (?:his|her|their|my) job|was (?:fired|laid off))\b",
    ),
    ("job", r"\bis (?:\w+ )?retired\b|\bretired\b"),
    ("employer", r"\barbeitet? nicht mehr (?:bei|für) {value}"),
    ("employer", r"\bya no trabaj[ao] (?:en|para) {value}"),
    ("employer", r"\bne travaille plus (?:chez|pour) {value}"),
    (
        "employer",
        r"\b(?:a|ai) (?:démissionné|quitté son poste|quitté mon poste) (?:du|de la|de|chez|à) (?P<value>[^\s.,;!?].{0,40}?)(?= en\b| depuis\b| hier\b|\s*(?:$|[.,;!?]))",
    ),
    ("employer", r"\b(?:hat|habe) (?:bei|beim) {value} gekündigt"),
    ("employer", r"\brenunci[óé] (?:a|en) {value}"),
    ("home", rf"\b{_NOT} (?:live|lives|living|reside) in {{value}}"),
    ("home", r"\bmoved (?:back )?in with\b"),
    ("home", r"\b(?:moved away from|moved out of|left) (?=(?-i:[A-Z])){value}"),
    ("home", r"\b(?:wohnt|lebt) nicht mehr in {value}"),
    ("home", r"\bya no viv[eo] en {value}"),
    ("home", r"\bn['’](?:habite|vis|vit) plus (?:à|en) {value}"),
    (
        "partner",
        rf"\b(?:broke up with|split (?:up )?(?:from|with)|divorced|separated from|left) "
        rf"(?:(?:his|her|their|my) {_PARTNER_WORD},? ?)?(?P<value>{_NAME})",
    ),
    ("partner", r"\b(?:broke up|split up|got divorced|is single again|is divorced)\b(?! with)"),
    ("diet", rf"\b{_NOT} (?:being |an? )?(?P<value>vegan|vegetarian|pescatarian|keto|paleo)\b"),
    ("diet", r"\beats (?:meat|fish) again\b"),
    (
        "car",
        r"\b(?:sold|crashed|wrecked|scrapped|gave away) (?:(?:his|her|their|my|the) )?(?:old )?"
        r"{value}",
    ),
    ("gym", rf"\b{_NOT} (?:a member of|go(?:es|ing)? to|train(?:ing)? at) {{value}}"),
)
