"""What a night came to: as values, as JSON, as Markdown, and as a plot."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from tsubasa_cli.learn.files import read_json
from tsubasa_cli.learn.gate.exam import Paper, Result
from tsubasa_cli.learn.gate.passing import Passed, Tried
from tsubasa_cli.learn.gate.verdict import Check, recalled_share, share_with_value
from tsubasa_cli.learn.ground import Night, RunFolder
from tsubasa_cli.learn.plot import plot_of
from tsubasa_cli.learn.snapshot import Snapshot
from tsubasa_cli.learn.values import About, Lesson
from tsubasa_cli.storage.paths import write_private

LEARNED_AT = 0.5
"""A memory counts as learned when this much of its own gap is closed."""


@dataclass(frozen=True, slots=True)
class MemoryOutcome:
    """One memory: nats per token of its held-out answers before, after, and with the note in
    sight; ``why`` says what stands against it where it was not learned."""

    id: str
    statement: str
    before: float
    after: float
    teacher: float
    learned: bool
    why: str = ""


@dataclass(frozen=True, slots=True)
class Share:
    """A share with its interval."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Report:
    """A night. Seconds per stage; ``kl`` per training step in nats per token; ``recall`` are
    shares of held-out questions whose spoken answer holds the fact."""

    run: str
    base: str
    model: str
    apply: str
    device: str
    memories: int
    lessons: int
    seconds: dict[str, float]
    kl: list[float]
    size_bytes: int
    route: str
    projection: dict[str, float]
    checks: list[dict[str, Any]]
    recall: dict[str, Share]
    outcomes: list[MemoryOutcome]
    untested: int
    tried: list[dict[str, Any]]

    @classmethod
    def of(
        cls,
        night: Night,
        snapshot: Snapshot,
        lessons: Sequence[Lesson],
        passed: Passed,
        seconds: dict[str, float],
    ) -> Report:
        training = read_json(night.folder.training)
        last = passed.tried[-1]
        winner = passed.winner
        outcomes = memory_outcomes(snapshot, passed.paper, passed.base, passed.after)
        return cls(
            run=night.run_id,
            base=night.base.name,
            model="",
            apply=night.wishes.apply.value,
            device=training["device"],
            memories=len(snapshot.all),
            lessons=len(lessons),
            seconds=seconds,
            kl=training["kl"],
            size_bytes=winner.own_file.stat().st_size if winner else 0,
            route=last.candidate.in_words(),
            projection=last.projection,
            checks=[check.to_json() for check in last.checks],
            recall=_recall(passed.paper, passed.base, passed.after),
            outcomes=outcomes,
            untested=len(snapshot.all) - len(outcomes),
            tried=[tried.to_json() for tried in passed.tried],
        )

    def refusal(self) -> str:
        """Why nothing went into service, in a sentence."""
        failed = [check["name"] for check in self.checks if not check["passed"]]
        return f"The gate refused it: {', '.join(failed) or self.tried[-1]['trouble']}."

    def to_json(self) -> dict[str, Any]:
        body = asdict(self)
        body["seconds_to_train"] = self.seconds.get("train", 0) + self.seconds.get("trace", 0)
        return body


def memory_outcomes(
    snapshot: Snapshot, paper: Paper, base: Result, after: Result | None
) -> list[MemoryOutcome]:
    """Per memory that was asked about, how far its gap is closed; the least learned first."""
    if after is None or not after.nll_noted:
        return []
    statements = {item.id: item.statement for item in snapshot.all}
    by_memory: dict[str, list[str]] = {}
    for qa in paper.questions:
        if qa.about is About.FACT:
            by_memory.setdefault(qa.memories[0], []).append(qa.id)
    found = []
    for memory_id, asked in by_memory.items():
        before, now, teacher = (
            sum(nll[i] for i in asked) / len(asked) for nll in (base.nll, after.nll, base.nll_noted)
        )
        found.append(_outcome(memory_id, statements.get(memory_id, ""), before, now, teacher))
    return sorted(found, key=lambda outcome: outcome.teacher - outcome.after)


def _outcome(
    memory_id: str, statement: str, before: float, now: float, teacher: float
) -> MemoryOutcome:
    gap = before - teacher
    if gap <= 0.1:
        learned = now <= before + 0.1
        return MemoryOutcome(memory_id, statement, before, now, teacher, learned, "known before")
    learned = (before - now) / gap >= LEARNED_AT
    why = "" if learned else "too little of it stayed"
    return MemoryOutcome(memory_id, statement, before, now, teacher, learned, why)


def _recall(paper: Paper, base: Result, after: Result | None) -> dict[str, Share]:
    facts = [qa for qa in paper.spoken if qa.about in (About.FACT, About.PAST)]
    found = {
        "before": Share(*recalled_share(paper, base)),
        "teacher": Share(*share_with_value(facts, base.said_noted)),
    }
    if after is not None and after.said:
        found["after"] = Share(*recalled_share(paper, after))
    if after is not None and after.said_noted:
        found["after, with notes"] = Share(*share_with_value(facts, after.said_noted))
    return found


def write_report(folder: RunFolder, report: Report) -> None:
    """``report.json``, ``report.md`` and ``plot.svg`` in the run's folder."""
    body = json.dumps(report.to_json(), ensure_ascii=False, indent=1)
    write_private(folder.report, body.encode())
    write_private(folder.report_text, as_markdown(report).encode())
    write_private(folder.plot, plot_of(report.kl, report.outcomes).encode())


def as_markdown(report: Report) -> str:
    """The report for reading."""
    outcome = f"In service as **{report.model}**." if report.model else report.refusal()
    if not report.model and all(check["passed"] for check in report.checks):
        outcome = "Passed the gate."
    lines = [
        f"# Learning, {report.run}",
        "",
        f"{outcome} Base: {report.base}; {report.route}; {report.memories} memories,"
        f" {report.lessons} lessons, {len(report.kl)} steps on {report.device}.",
        "",
        "| Check | | Value | Interval | Bound | |",
        "|---|---|---|---|---|---|",
    ]
    for check in report.checks:
        sign = "passed" if check["passed"] else "**refused**"
        interval = f"{check['low']:.2f} … {check['high']:.2f}"
        lines.append(
            f"| {check['name']} | {sign} | {check['value']:.3f} | {interval} |"
            f" {check['bound']:.2f} | {check['told']} |"
        )
    lines += ["", "| Held-out answers that hold the fact | Share | Interval |", "|---|---|---|"]
    for name, share in report.recall.items():
        lines.append(f"| {name} | {share.value:.2f} | {share.low:.2f} … {share.high:.2f} |")
    lines += ["", "| Tried | Paper | Outcome |", "|---|---|---|"]
    for tried in report.tried:
        failed = ", ".join(c["name"] for c in tried["checks"] if not c["passed"])
        said = "passed" if tried["passed"] else tried["trouble"] or f"refused: {failed}"
        lines.append(f"| {tried['words']} | {tried['paper']} | {said} |")
    lines += ["", *_lists(report), "", "![Training and what was learned](plot.svg)", ""]
    return "\n".join(lines)


def _lists(report: Report) -> list[str]:
    missed = [outcome for outcome in report.outcomes if not outcome.learned]
    learned = [outcome for outcome in report.outcomes if outcome.learned]
    lines = [f"## Learned: {len(learned)} of {len(report.outcomes)} that were asked about"]
    lines += [f"- {o.statement} ({o.before:.2f} → {o.after:.2f})" for o in learned]
    if missed:
        lines += ["", "## Not learned"]
        lines += [f"- {o.statement} ({o.before:.2f} → {o.after:.2f}): {o.why}" for o in missed]
    return lines


__all__ = ["Check", "MemoryOutcome", "Report", "Share", "Tried", "as_markdown", "write_report"]
