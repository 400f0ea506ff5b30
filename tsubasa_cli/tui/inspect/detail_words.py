"""The page about one memory, line by line: its words, sources, history and use."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, TypeVar

from textual.content import Content

from tsubasa_cli.memory.values import Actor, Observation, Op, Status
from tsubasa_cli.tui import memory_words, wording
from tsubasa_cli.tui.inspect import line_words
from tsubasa_cli.tui.inspect.line_words import ORIGINS, STATES, diffed

if TYPE_CHECKING:
    from tsubasa_cli.memory.dossier import Dossier, Lesson, Quote, Step, Use

Thing = TypeVar("Thing")

LONGEST_QUESTION = 120
LONGEST_ASKED = 160
MUTED = "$foreground-muted"
OPS = {
    Op.ADD: "added",
    Op.UPDATE: "told more",
    Op.RECONCILE: "changed, and dated",
    Op.SUPERSEDE: "replaced",
    Op.IGNORE: "said again",
    Op.EDIT: "corrected",
    Op.PIN: "pinned",
    Op.UNPIN: "no longer pinned",
    Op.TAG: "tagged",
    Op.MERGE: "merged",
    Op.SPLIT: "split",
    Op.QUARANTINE: "put aside for your yes or no",
    Op.APPROVE: "approved",
    Op.REJECT: "rejected",
    Op.FORGET: "forgotten",
    Op.RESTORE: "brought back",
    Op.UNDO: "taken back",
    Op.ERASE: "erased",
}
RUNS = {
    "promoted": "by heart, in the model in service",
    "rolled_back": "rolled back, not in service",
    "refused": "refused by its checks",
    "failed": "failed",
    "running": "under way",
    "paused": "paused",
    "removed": "removed",
}


def sections(found: Dossier, width: int) -> Iterator[Content]:
    """The page, line by line, for ``width`` cells."""
    yield from _head(found)
    quotes = [line for n, q in enumerate(found.quotes, 1) for line in _quote(n, q, width)]
    yield from _section("Because you said", quotes)
    yield from _section("What happened to it", _history(found, width))
    yield from _section("Took the place of", _each(_other, found.older, width))
    yield from _section("Its place was taken by", _each(_other, found.newer, width))
    yield from _section(_used_title(found), _each(_use, found.uses, width))
    lessons = [_lesson(lesson, found.memory) for lesson in found.lessons]
    yield from _section("By heart", [line for each in lessons for line in _hung(*each, width)])


def indented(prefix: Content, words: Content, width: int) -> Content:
    """``words`` wrapped, each line behind ``prefix``."""
    room = max(width - prefix.cell_length, 8)
    return Content("\n").join([prefix + line for line in words.wrap(room)])


def _each(
    tell: Callable[[Thing], tuple[str, str]], things: Sequence[Thing], width: int
) -> list[Content]:
    return [line for thing in things for line in _hung(*tell(thing), width)]


def _hung(words: str, notes: str, width: int) -> list[Content]:
    """Words, and notes below them."""
    gap = Content("  ")
    return [
        indented(Content("· "), Content(words), width),
        indented(gap, Content.styled(notes, MUTED), width),
    ]


def _head(found: Dossier) -> Iterator[Content]:
    memory = found.memory
    is_erased = memory.status is Status.ERASED
    statement = line_words.ERASED_WORDS if is_erased else wording.visible_text(memory.statement)
    yield Content.styled(statement, "bold" if memory.status is Status.ACTIVE else f"bold {MUTED}")
    yield Content.styled(_particulars(memory), MUTED)
    if memory.status is Status.QUARANTINED:
        why = found.steps[-1].event.reason if found.steps else ""
        reason = f" ({wording.visible_line(why)})" if why else ""
        yield Content.styled(f"Waits for your yes (a) or no (f){reason}", "$warning")


def _particulars(memory: Observation) -> str:
    parts = [
        memory.kind.value,
        line_words.validity(memory),
        STATES[memory.status] if memory.status is not Status.ACTIVE else "",
        "pinned" if memory.pinned else "",
        ORIGINS[memory.origin],
        f"about {wording.visible_line(memory.subject)}" if memory.subject != "user" else "",
        " ".join(f"#{wording.visible_line(tag)}" for tag in memory.tags),
        memory.id,
    ]
    return " · ".join(part for part in parts if part)


def _section(title: str, blocks: list[Content]) -> Iterator[Content]:
    if blocks:
        yield Content("")
        yield Content.styled(title, "$primary bold")
        yield from blocks


# ---------------------------------------------------------------------- sources and use


def _quote(number: int, quote: Quote, width: int) -> Iterator[Content]:
    gap = Content("   ")
    if quote.asked is not None:
        asked = f"asked: {wording.first_line(quote.asked.text, LONGEST_ASKED)}"
        yield indented(gap, Content.styled(asked, MUTED), width)
    said = Content(f"“{wording.visible_line(quote.evidence.quote)}”")
    first, *rest = said.wrap(max(width - 3, 8)) or [said]
    yield Content.styled(f"{number}  "[:3], "$accent") + first
    yield from (gap + line for line in rest)
    yield indented(gap, Content.styled(_place(quote), MUTED), width)


def _place(quote: Quote) -> str:
    if quote.turn is None:
        return memory_words.BY_HAND
    day = wording.day(quote.turn.created_at.local().date())
    title = wording.first_line(quote.session_title or "Untitled", 40)
    gone = " · its chat is deleted" if quote.is_deleted else " · g goes there"
    return f"{day} · {title}{gone}"


def _used_title(found: Dossier) -> str:
    more = found.use_count - len(found.uses)
    rest = f", the last {len(found.uses)} of them" if more > 0 else ""
    return f"Went into {wording.count(found.use_count, 'answer')}{rest}"


def _use(use: Use) -> tuple[str, str]:
    day = wording.day(use.at.local().date())
    way = memory_words.found_by(use.channels)
    notes = " · ".join(
        part
        for part in (
            day,
            wording.first_line(use.session_title or "Untitled", 40),
            way,
            f"score {use.score:.2f}",
        )
        if part
    )
    return wording.first_line(use.question, LONGEST_QUESTION), notes


def _lesson(lesson: Lesson, memory: Observation) -> tuple[str, str]:
    day = wording.day(lesson.started_at.local().date())
    state = RUNS.get(lesson.state, lesson.state)
    behind = "" if lesson.version >= memory.version else ", an earlier wording"
    model = wording.visible_line(lesson.model or lesson.base_model)
    return f"Run {wording.visible_line(lesson.run_id)}", f"{day} · {model} · {state}{behind}"


def _other(memory: Observation) -> tuple[str, str]:
    words = wording.first_line(memory.statement or line_words.ERASED_WORDS, 200)
    return words, f"{memory.id} · {line_words.validity(memory)}"


# ---------------------------------------------------------------------- history


def _history(found: Dossier, width: int) -> list[Content]:
    lines = [line for step in found.steps for line in _step(step, width)]
    hidden = found.step_count - len(found.steps)
    if hidden > 0:
        lines.append(Content.styled(f"│ … and {hidden:,} earlier", MUTED))
    return lines


def _step(step: Step, width: int) -> Iterator[Content]:
    event = step.event
    when = event.at.local()
    who = "you" if event.actor is Actor.USER else "the model"
    deed, why = OPS[event.op], wording.visible_line(event.reason)
    if event.op is Op.UNDO and why:  # "taken back", or "done again"
        deed, why = why, ""
    reason = f" · {why}" if why else ""
    told = Content.assemble(
        deed, (f" by {who} · {wording.day(when.date())}, {when:%H:%M}{reason}", MUTED)
    )
    first, *rest = told.wrap(max(width - 2, 8))
    yield Content.styled("● ", "$accent") + first
    line = Content.styled("│ ", MUTED)
    yield from (line + part for part in rest)
    if step.words:
        yield indented(line, diffed(step.words), width)
    elif step.before is None:
        yield indented(line, Content(wording.visible_line(event.after.statement)), width)
    if changed := _changes(step):
        yield indented(line, Content.styled(changed, MUTED), width)


def _changes(step: Step) -> str:
    """What else than the words has changed."""
    before, after = step.before, step.event.after
    if before is None:
        return ""
    parts = []
    if before.kind != after.kind:
        parts.append(f"{before.kind.value} → {after.kind.value}")
    if before.status != after.status:
        parts.append(f"{STATES[before.status]} → {STATES[after.status]}")
    if line_words.validity(before) != line_words.validity(after):
        parts.append(f"{line_words.validity(before)} → {line_words.validity(after)}")
    if before.tags != after.tags:
        parts += [f"+#{t}" for t in after.tags if t not in before.tags]
        parts += [f"−#{t}" for t in before.tags if t not in after.tags]
    more = len(after.evidence) - len(before.evidence)
    if more > 0:
        parts.append(f"+{wording.count(more, 'quote')}")
    return " · ".join(map(wording.visible_line, parts))
