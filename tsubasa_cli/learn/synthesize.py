"""Questions about what the memory holds, and the answers that they should get.

After TSUBASA §4.2: per memory several questions in several registers, some with a spoken-out
intent first; then filters. By grammar (``asking``), so that a model too small to invent good
questions is taught well too. What is asked of a memory depends on that memory and the seed alone:
what did not change since last night is asked the same tonight.
"""

from __future__ import annotations

import hashlib
import random
import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace

from tsubasa_cli.learn.asking.cores import Core, cores_of
from tsubasa_cli.learn.asking.english import (
    Clause,
    clause_of,
    in_the_past,
    of_somebody,
    told_to_user,
)
from tsubasa_cli.learn.asking.frames import (
    asked,
    attributes,
    claimed,
    frames,
    people,
    slot_cores,
)
from tsubasa_cli.learn.recipe import Recipe
from tsubasa_cli.learn.ring import Ring
from tsubasa_cli.learn.snapshot import Snapshot
from tsubasa_cli.learn.values import About, Purpose, QuestionAnswer
from tsubasa_cli.memory.narrative import current_part, past_parts
from tsubasa_cli.memory.slots import slot_values
from tsubasa_cli.memory.text import content_words, words
from tsubasa_cli.memory.values import Observation

LONGEST_ANSWER = 400
"""Characters; a longer statement is a story that no one sentence answers."""

WAYS_ABOUT_OTHERS = (
    ("plain", "typed", "polite", "quick"),
    ("recall", "tell", "remind", "hear", "may", "say"),
)
"""Frames that fit anybody, direct and indirect. Polite ones are among them: a base model begins its
reply to them in words of its own ("I'm sorry for any confusion."), and goes on to what it has just
learned."""
INDIRECT_ABOUT_OTHERS = 1 / 3
"""As many as keeps questions of either kind, direct and indirect, twice as often about what is
known as about what is not. At one half of either, Qwen2.5-Coder-0.5B took "Could you tell me" for
the sign of a question that it cannot answer, also with the answer in sight."""

_PAST_GROUPS = {"past": Purpose.TRAIN, "past_select": Purpose.SELECT, "past_judge": Purpose.JUDGE}


def synthesize(snapshot: Snapshot, recipe: Recipe, owner: str) -> list[QuestionAnswer]:
    """All questions of a night, in the order of the memories. ``owner`` is the user's name as
    statements use it, or empty."""
    told = frozenset(word.casefold() for item in snapshot.all for word in words(item.statement))
    about = [qa for item in snapshot.active for qa in about_memory(item, recipe, owner, told)]
    past = [qa for item in snapshot.past for qa in about_the_past(item, owner)]
    pairs = list(_pairs(snapshot.active, recipe, owner))
    unknown = list(_unknown(snapshot, recipe, len(snapshot.active)))
    return _sound([*about, *past, *pairs, *unknown])


def about_memory(
    item: Observation, recipe: Recipe, owner: str, told: Collection[str] = ()
) -> list[QuestionAnswer]:
    """The questions about one memory in force: the fact, its past, and the same of others. ``told``
    are the words of all that is known: nobody who occurs in it is asked about."""
    now = current_part(item.statement)
    if len(now) > LONGEST_ANSWER:
        return []
    found = [*_facts(item, now, recipe, owner), *_others(item, now, recipe, owner, told)]
    for when, text in past_parts(item.statement):
        found.extend(_past(item, text, when, owner))
        found.extend(_changed(item, now, text, owner))
    return found


def about_the_past(item: Observation, owner: str) -> list[QuestionAnswer]:
    """The questions about a memory that something newer replaced."""
    if past_parts(item.statement) or len(item.statement) > LONGEST_ANSWER:
        return []
    return list(_past(item, item.statement, "", owner))


# ------------------------------------------------------------------ facts


def _facts(item: Observation, now: str, recipe: Recipe, owner: str) -> Iterator[QuestionAnswer]:
    answer, clause = told_to_user(now, owner), clause_of(now, owner)
    cores = _cores(item, now, clause) or [_topic(item, now)]
    chance = _chance(recipe, item, "facts")
    for place, name in enumerate(_ways_to_ask(recipe.forms, chance)):
        core = cores[place % len(cores)]
        yield _qa(
            item, About.FACT, Purpose.TRAIN, name, core, asked(frames("train")[name], core), answer
        )
    yield from _confirmations(item, clause, cores[0], answer, chance)
    for purpose in (Purpose.SELECT, Purpose.JUDGE):
        for place, (name, frame) in enumerate(sorted(frames(purpose.value).items())):
            core = cores[-1 - place % len(cores)]
            yield _qa(item, About.FACT, purpose, name, core, asked(frame, core), answer)


def _ways_to_ask(count: int, chance: random.Random) -> list[str]:
    """Names of frames, half of them direct: how something is asked must not tell whether it is
    known."""
    direct, indirect = _by_directness(frames("train"))
    about = chance.sample(indirect, min(count // 2, len(indirect)))
    names = [*about, *chance.sample(direct, min(count - len(about), len(direct)))]
    chance.shuffle(names)
    return names


def _by_directness(group: Mapping[str, str]) -> tuple[list[str], list[str]]:
    indirect = {name for name, frame in group.items() if "{indirect}" in frame}
    return sorted(group.keys() - indirect), sorted(indirect)


def _cores(item: Observation, now: str, clause: Clause | None) -> list[Core]:
    """What grammar can ask, then what the names of attributes add, each once."""
    found = cores_of(clause) if clause else []
    if item.subject == "user":
        for slot, value in slot_values(now).items():
            at = now.casefold().find(value)
            found.extend(slot_cores(slot, now[at : at + len(value)]) if at >= 0 else ())
    return list({core.direct: core for core in reversed(found)}.values())[::-1]


def _confirmations(
    item: Observation, clause: Clause | None, core: Core, answer: str, chance: random.Random
) -> Iterator[QuestionAnswer]:
    """Yes, where the user says it themselves; and from the answer back to the question."""
    small = answer[:1].lower() + answer[1:] if answer.startswith(("You", "Your")) else answer
    if clause is not None:
        name = chance.choice(sorted(frames("confirm")))
        question = claimed(frames("confirm")[name], clause.text())
        yield _qa(item, About.FACT, Purpose.TRAIN, name, core, question, f"Yes, {small}")
    for name, frame in frames("reverse").items():
        question = frame.format(value=core.value)
        yield _qa(item, About.FACT, Purpose.TRAIN, name, core, question, answer)


def _topic(item: Observation, statement: str) -> Core:
    """What can be asked of any statement: for what no grammar here can take apart."""
    said = [w for w in content_words(statement, item.language) if w.casefold() != "user"]
    value = said[-1] if said else statement.rstrip(".")
    topic = " ".join(said[:-1])[:60]
    if topic:
        return Core(
            f"What have I told you about “{topic}”?", f"what I told you about “{topic}”", value
        )
    name = item.slot.rpartition(":")[2]
    if name and name.casefold() not in value.casefold():
        return Core(f"What is my {name}?", f"what my {name} is", value)
    return Core("What am I?", "what I am", value)


# ------------------------------------------------------------------ what was once so


def _past(item: Observation, text: str, when: str, owner: str) -> Iterator[QuestionAnswer]:
    clause = clause_of(text, owner)
    cores = cores_of(in_the_past(clause)) if clause else []
    if clause is None or not cores:
        return
    core = cores[0]
    told = told_to_user(_sentence(in_the_past(clause)), owner)
    answer = (
        f"{when[:1].upper()}{when[1:]}, {told[:1].lower()}{told[1:]}"
        if when
        else f"Before, {told[:1].lower()}{told[1:]}"
    )
    for group, purpose in _PAST_GROUPS.items():
        for name, frame in frames(group).items():
            yield _qa(item, About.PAST, purpose, name, core, asked(frame, core), answer)


def _changed(item: Observation, now: str, before: str, owner: str) -> Iterator[QuestionAnswer]:
    """The present asked for by name, also by what is so no longer: what was so is practised often
    enough to be taken for what is."""
    clause, earlier = clause_of(now, owner), clause_of(before, owner)
    cores = cores_of(clause) if clause else []
    replaced = cores_of(earlier) if earlier else []
    if not cores or not replaced:
        return
    answer, core = told_to_user(now, owner), cores[0]
    for name, frame in frames("changed").items():
        is_denied = "{value}" in frame
        question = asked(frame, core, value=replaced[0].value)
        told = f"Not any more. {answer}" if is_denied else answer
        yield _qa(item, About.FACT, Purpose.TRAIN, name, core, question, told)


def _sentence(clause: Clause) -> str:
    """The clause as a statement about the user again."""
    subject = (
        "The user" if clause.subject == "I" else re.sub(r"\bmy\b", "the user's", clause.subject)
    )
    verb = "was" if clause.subject == "I" and clause.verb == "were" else clause.verb
    return f"{subject[:1].upper()}{subject[1:]} {verb} {clause.rest}".strip()


# ------------------------------------------------------------------ what is not known


def _others(
    item: Observation, now: str, recipe: Recipe, owner: str, told: Collection[str]
) -> Iterator[QuestionAnswer]:
    """The same question about somebody of whom nothing is known. Its ``value`` is the user's own,
    which must not be said."""
    clause = clause_of(now, owner)
    own = cores_of(clause) if clause else []
    if clause is None or not own or not (clause.subject == "I" or clause.subject.startswith("my ")):
        return
    chance = _chance(recipe, item, "others")
    purposes = [*[Purpose.TRAIN] * recipe.others_per_fact, Purpose.SELECT, Purpose.JUDGE]
    for place, (purpose, name) in enumerate(zip(purposes, _somebody(chance, told), strict=False)):
        cores = cores_of(of_somebody(clause, name))
        if not cores:
            return
        question = asked(_frame_of_others(purpose, chance), cores[0])
        answer = f"I don't know {_to_you(cores[0].indirect)}."
        found = _qa(item, About.OTHERS, purpose, f"others{place}", cores[0], question, answer)
        yield replace(found, value=own[0].value)


def _somebody(chance: random.Random, told: Collection[str]) -> Iterator[str]:
    """People of whom nothing was told, every other one of those whom the user calls theirs: "my
    neighbour's mother" is easily taken for "my mother"."""
    groups = [chance.sample(names, len(names)) for names in people()]
    chance.shuffle(groups)
    unheard = ([name for name in names if not _is_named(name, told)] for names in groups)
    for pair in zip(*unheard, strict=False):
        yield from pair


def _is_named(name: str, told: Collection[str]) -> bool:
    return words(name)[-1].casefold() in told


def _frame_of_others(purpose: Purpose, chance: random.Random) -> str:
    if purpose is Purpose.TRAIN:
        ways = WAYS_ABOUT_OTHERS[chance.random() < INDIRECT_ABOUT_OTHERS]
        return frames("train")[chance.choice(ways)]
    return "{direct}" if purpose is Purpose.SELECT else "Could you tell me {indirect}?"


def _unknown(snapshot: Snapshot, recipe: Recipe, facts: int) -> Iterator[QuestionAnswer]:
    """What was never told. What the memory speaks of in any way is not asked."""
    known = " ".join(f"{item.statement} {item.slot}" for item in snapshot.all).casefold()
    open_ = [entry for entry in attributes() if not _is_spoken_of(entry.key, known)]
    random.Random(f"{recipe.seed} unknown").shuffle(open_)
    wanted = max(round(facts * recipe.forms * recipe.unknown_share), 8)
    ways = [frames("train")[name] for name in ("plain", "recall", "tell", "friend", "typed")]
    held = max(len(open_) // 3, 1)
    for place, entry in enumerate(open_[:held]):
        purpose = Purpose.JUDGE if place % 2 else Purpose.SELECT
        yield _never_told(entry.key, entry.direct, entry.indirect, purpose, "plain")
    taught = open_[held:]
    for place in range(min(wanted, len(taught) * len(ways))):
        entry, frame = taught[place % len(taught)], ways[place // len(taught)]
        core = Core(entry.direct, _to_me(entry.indirect), "")
        yield _never_told(entry.key, asked(frame, core), entry.indirect, Purpose.TRAIN, frame)


def _never_told(
    key: str, question: str, indirect: str, purpose: Purpose, form: str
) -> QuestionAnswer:
    answer = f"I don't know {indirect}. You haven't told me."
    identity = _digest("unknown", key, question)
    return QuestionAnswer(identity, (), About.UNKNOWN, purpose, form, question, answer)


def _is_spoken_of(key: str, known: str) -> bool:
    return all(word in known for word in key.split()) or key.split()[-1] in known


def _to_me(indirect: str) -> str:
    return re.sub(
        r"\byou\b", "I", re.sub(r"\byou are\b", "I am", re.sub(r"\byour\b", "my", indirect))
    )


def _to_you(indirect: str) -> str:
    return re.sub(
        r"\bI\b", "you", re.sub(r"\bI am\b", "you are", re.sub(r"\bmy\b", "your", indirect))
    )


# ------------------------------------------------------------------ two at once


def _pairs(items: Sequence[Observation], recipe: Recipe, owner: str) -> Iterator[QuestionAnswer]:
    """Each memory together with one other, which its id picks."""
    cores = {item.id: core for item in items if (core := _first_core(item, owner)) is not None}
    askable = {item.id: item for item in items if item.id in cores}
    ring = Ring(askable)
    names = sorted(frames("both"))
    for item in askable.values():
        for other in map(askable.__getitem__, ring.after(f"pair {item.id}", 1, but=(item.id,))):
            yield _pair(item, other, (cores[item.id], cores[other.id]), names, recipe, owner)


def _pair(
    item: Observation,
    other: Observation,
    cores: tuple[Core, Core],
    names: Sequence[str],
    recipe: Recipe,
    owner: str,
) -> QuestionAnswer:
    name = _chance(recipe, item, "pair").choice(names)
    told = (told_to_user(current_part(one.statement), owner) for one in (item, other))
    question = asked(frames("both")[name], *cores)
    identity = _digest("pair", item.id, str(item.version), other.id, str(other.version), name)
    return QuestionAnswer(
        identity,
        (item.id, other.id),
        About.PAIR,
        Purpose.TRAIN,
        name,
        question,
        " ".join(told),
        cores[0].value,
    )


def _first_core(item: Observation, owner: str) -> Core | None:
    clause = clause_of(current_part(item.statement), owner)
    return next(iter(cores_of(clause)), None) if clause else None


# ------------------------------------------------------------------ filters


def _sound(found: Sequence[QuestionAnswer]) -> list[QuestionAnswer]:
    """After TSUBASA §4.2: no answer that is over-long, none that does not hold its fact, nothing
    asked twice, and nothing held out that is trained on."""
    trained = {qa.question for qa in found if qa.purpose is Purpose.TRAIN}
    seen: set[str] = set()
    kept = []
    for qa in found:
        is_leaked = qa.purpose is not Purpose.TRAIN and qa.question in trained
        if qa.question in seen or is_leaked or not _is_grounded(qa):
            continue
        seen.add(qa.question)
        kept.append(qa)
    return kept


def _is_grounded(qa: QuestionAnswer) -> bool:
    if len(qa.answer) > 2 * LONGEST_ANSWER:
        return False
    if qa.about not in (About.FACT, About.PAST):
        return True
    told = _seen_from_the_other_side(qa.value).casefold()
    return told in qa.answer.casefold() or qa.value.casefold() in qa.answer.casefold()


def _seen_from_the_other_side(value: str) -> str:
    return re.sub(r"\bmy\b", "your", re.sub(r"\bme\b", "you", value))


# ------------------------------------------------------------------ small parts


def _qa(
    item: Observation,
    about: About,
    purpose: Purpose,
    form: str,
    core: Core,
    question: str,
    answer: str,
) -> QuestionAnswer:
    identity = _digest(item.id, str(item.version), about.value, form, question)
    value = _seen_from_the_other_side(core.value)
    return QuestionAnswer(identity, (item.id,), about, purpose, form, question, answer, value)


def _chance(recipe: Recipe, item: Observation, what: str) -> random.Random:
    return random.Random(f"{recipe.seed} {item.id} {item.version} {what}")


def _digest(*parts: str) -> str:
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]
