"""How plans, runs and reports of ``learn`` look."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from rich.table import Table

from tsubasa_cli.cli import context
from tsubasa_cli.learn.plan import Plan, in_words
from tsubasa_cli.learn.values import LearnRun, RunState

if TYPE_CHECKING:
    from tsubasa_cli.learn.report import Report

STATES = {
    RunState.RUNNING: "at work, or cut short",
    RunState.PAUSED: "paused",
    RunState.FAILED: "failed",
    RunState.REFUSED: "refused by the gate",
    RunState.PROMOTED: "promoted",
    RunState.ROLLED_BACK: "rolled back",
    RunState.REMOVED: "removed",
}
MOST_LISTED = 12


def print_plan(plan: Plan) -> None:
    """What the night would do."""
    last = f"{plan.last.started.local():%-d %B %Y}" if plan.last else "never"
    rows = {
        "Base model": plan.base,
        "Memories": f"{plan.memories:,}, of which {plan.changed:,} changed since the last night"
        f" ({last})",
        **_taught(plan),
        "Lessons": f"about {plan.lessons:,}",
        "Time": f"about {in_words(plan.seconds)} on {plan.device}"
        + ("" if plan.is_measured else " (a rough guess; the next one will be measured)"),
        "Memory": f"at least {plan.needed_bytes / 1e9:.1f} GB needed,"
        f" {plan.free_bytes / 1e9:.1f} GB free",
    }
    if plan.refused is not None:
        who = "by the gate" if plan.refused.state is RunState.REFUSED else "by your rollback"
        rows["Sent back"] = f"just this, {who} ({plan.refused.id}); nothing has changed since"
    table = Table.grid(padding=(0, 2))
    for name, value in rows.items():
        table.add_row(name, value)
    context.console().print(table)


def _taught(plan: Plan) -> dict[str, str]:
    """A row where not all memories fit the night."""
    if plan.taught == plan.memories:
        return {}
    first = "the pinned, who you are, then the newest"
    return {"Taught": f"{plan.taught:,} of them, which fit the night: {first}"}


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """The plan for machines."""
    return {
        "base": plan.base,
        "memories": plan.memories,
        "taught": plan.taught,
        "changed": plan.changed,
        "last_run": plan.last.id if plan.last else None,
        "refused_run": plan.refused.id if plan.refused else None,
        "is_needed": plan.is_needed,
        "lessons": plan.lessons,
        "seconds": round(plan.seconds),
        "device": plan.device,
        "needed_bytes": plan.needed_bytes,
        "free_bytes": plan.free_bytes,
        "fits": plan.fits,
    }


def print_report(report: Report) -> None:
    """What the night came to."""
    console = context.console()
    table = Table(box=None, pad_edge=False, title_justify="left")
    for head, side in (("Check", "left"), ("", "left"), ("Value", "right"), ("", "left")):
        table.add_column(head, justify=side)  # type: ignore[arg-type]
    for check in report.checks:
        sign = "[green]passed[/]" if check["passed"] else "[red]refused[/]"
        table.add_row(check["name"], sign, f"{check['value']:.3f}", check["told"])
    console.print(table)
    shares = "  ".join(f"{name} {share.value:.0%}" for name, share in report.recall.items())
    console.print(f"\nHeld-out answers that hold the fact: {shares}", style="dim")
    _print_missed(report)
    seconds = in_words(sum(report.seconds.values()))
    size = f", {report.size_bytes / 1e6:,.0f} MB" if report.size_bytes else ""
    if report.model:
        console.print(f"\n[bold]{report.model}[/] is in service ({report.route}{size}; {seconds}).")
    else:
        console.print(f"\n{report.refusal()} The model in service is what it was ({seconds}).")


def _print_missed(report: Report) -> None:
    learned = sum(outcome.learned for outcome in report.outcomes)
    console = context.console()
    console.print(
        f"Learned {learned} of the {len(report.outcomes)} memories that were asked about."
    )
    missed = [outcome for outcome in report.outcomes if not outcome.learned]
    for outcome in missed[:MOST_LISTED]:
        console.print(f"  not learned: {outcome.statement} ({outcome.why})", style="dim")
    if len(missed) > MOST_LISTED:
        console.print(f"  … and {len(missed) - MOST_LISTED} more; the report has all.", style="dim")


def print_history(runs: list[LearnRun]) -> None:
    """All runs, the newest first."""
    table = Table(box=None, pad_edge=False)
    for head in ("Run", "State", "Base", "Model", "Why"):
        table.add_column(head)
    for run in runs:
        table.add_row(run.id, STATES[run.state], run.base_model, run.model, run.reason)
    context.console().print(table)


def run_to_json(run: LearnRun) -> dict[str, Any]:
    """A run for machines, without its report."""
    return {
        "id": run.id,
        "state": run.state.value,
        "stage": run.stage,
        "base_model": run.base_model,
        "apply": run.apply.value,
        "model": run.model,
        "started": run.started.iso(),
        "ended": run.ended.iso() if run.ended else None,
        "reason": run.reason,
    }


def report_of(run: LearnRun) -> dict[str, Any]:
    """The report that is kept with a run; empty without one."""
    body: dict[str, Any] = json.loads(run.report or "{}")
    return body
