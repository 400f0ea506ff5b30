"""``tsubasa learn``: overnight, the model learns by heart what the memory holds."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsubasa_cli.cli import context, learn_schedule
from tsubasa_cli.errors import InputError, ModelError, TsubasaError
from tsubasa_cli.learn.values import Apply, RunState

if TYPE_CHECKING:
    from tsubasa_cli.learn.ground import Ground, Hooks, Night, Wishes
    from tsubasa_cli.learn.night import Outcome
    from tsubasa_cli.learn.plan import Plan
    from tsubasa_cli.models.model import Model

INTERRUPTED = 130

learn_app = typer.Typer(help="Let the model learn by heart what the memory holds.")
learn_schedule.add_to(learn_app)

Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


class RefusedError(TsubasaError):
    """The gate let nothing into service; the model that was in service stays."""

    exit_code = 9


@learn_app.callback(invoke_without_command=True)
def learn(
    ctx: typer.Context,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the plan and stop.")] = False,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with the run that was cut short.")
    ] = False,
    apply: Annotated[
        Apply, typer.Option(help="One merged file, or an adapter beside the base.")
    ] = Apply.MERGE,
    budget: Annotated[
        str, typer.Option(metavar="TIME", help="Longest time it may take: 45m, 2h.")
    ] = "",
    model: Annotated[str, typer.Option(help="The base; else the one in service.")] = "",
    device: Annotated[str, typer.Option(help="auto, cuda, mps or cpu.")] = "auto",
    seed: Annotated[int, typer.Option(min=0, help="Another draw of everything random.")] = 0,
    force: Annotated[
        bool,
        typer.Option(
            "--force", help="Also where nothing is new, it takes too long, or a run could go on."
        ),
    ] = False,
    when_idle: Annotated[
        bool,
        typer.Option("--when-idle", help="Wait until nobody needs the machine; yield to chats."),
    ] = False,
    as_json: Json = False,
) -> None:
    """Teach the model in service what the memory holds; it serves only if that made it better.

    Stopped at any time, nothing is lost: --resume goes on.
    """
    if ctx.invoked_subcommand is not None:
        return
    _require_libraries()
    ground = open_ground()
    wishes = _wishes(apply, budget or ground.settings.learn.budget, device, seed, force)
    if not ground.settings.memory.enabled and not dry_run:
        _refuse_without_memory(ground, when_idle)
        return
    if resume and not when_idle:
        _spend(ground, lambda hooks: _resumed(ground, hooks), as_json)
        return
    from tsubasa_cli.cli.learn_render import plan_to_json, print_plan
    from tsubasa_cli.learn.plan import make_plan

    base = ground.shelf.base_of(ground.shelf.require(model or None))
    plan = make_plan(ground, base, wishes)
    if dry_run and as_json:
        context.print_json(plan_to_json(plan))
    elif not as_json:
        print_plan(plan)
    if dry_run:
        return
    is_begun = ground.runs.unfinished() is not None
    if when_idle and (is_begun or force or plan.is_needed):
        _follow(lambda hooks: _idly(ground, base, wishes, hooks), as_json)
        return
    if when_idle:
        _note_that_nothing_is_new(ground, plan)
        return
    _spend(ground, lambda hooks: _begun(ground, base, wishes, plan, hooks), as_json)


def open_ground() -> Ground:
    """The open parts of the installation."""
    from tsubasa_cli.learn.ground import Ground

    paths = context.paths().ensure()
    return Ground(paths, context.settings(), context.connect(), context.shelf())


def _resumed(ground: Ground, hooks: Hooks) -> Night:
    from tsubasa_cli.learn.night import resumed

    return resumed(ground, hooks)


def _begun(ground: Ground, base: Model, wishes: Wishes, plan: Plan, hooks: Hooks) -> Night:
    from tsubasa_cli.learn.night import begin
    from tsubasa_cli.learn.plan import require_feasible

    stopped = ground.runs.unfinished()
    if stopped is not None and not wishes.force:
        raise InputError(
            f"The run {stopped.id} is not at its end.",
            why=f"It stopped at: {stopped.stage}. {stopped.reason}".rstrip(),
            next_step="Go on with it: tsubasa learn --resume. --force gives it up and begins anew.",
        )
    require_feasible(plan, base, wishes)
    return begin(ground, base, wishes, hooks)


def _refuse_without_memory(ground: Ground, when_idle: bool) -> None:
    """No memory, no night: a failure for who asks for one, none for the schedule."""
    if not when_idle:
        raise InputError(
            "Nothing is learned while memory is switched off.",
            next_step="Switch it on with: tsubasa config set memory.enabled true",
        )
    _note_a_quiet_night(ground)
    context.say("Nothing is learned while memory is switched off (memory.enabled).")


def _idly(ground: Ground, base: Model, wishes: Wishes, hooks: Hooks) -> Outcome:
    from tsubasa_cli.learn.idle import Idleness
    from tsubasa_cli.learn.patience import learn_when_idle
    from tsubasa_cli.learn.plan import make_plan, require_feasible

    idleness = Idleness(ground.paths, ground.settings.learn)

    def check() -> None:
        require_feasible(make_plan(ground, base, wishes), base, wishes)

    return learn_when_idle(ground, base, wishes, hooks, idleness, check)


def _note_that_nothing_is_new(ground: Ground, plan: Plan) -> None:
    from tsubasa_cli.learn.plan import sent_back

    _note_a_quiet_night(ground)
    if plan.refused is not None:
        context.say(f"{sent_back(plan.refused)} Once more: tsubasa learn --force")
        return
    context.say("There is nothing new to learn.")


def _note_a_quiet_night(ground: Ground) -> None:
    """A night without anything to learn is no failure, and was not missed."""
    from tsubasa_cli.storage.night_record import note_started, note_waiting
    from tsubasa_cli.storage.values import Instant

    note_started(ground.connection, Instant.now())
    note_waiting(ground.connection, "")


def _spend(ground: Ground, start: Callable[[Hooks], Night], as_json: bool) -> None:
    """Run what is left of a night."""
    from tsubasa_cli.learn.night import spend_night

    _follow(lambda hooks: spend_night(ground, lambda: start(hooks)), as_json)


def _follow(work: Callable[[Hooks], Outcome], as_json: bool) -> None:
    """Do ``work`` with its display, and tell how it ended."""
    from tsubasa_cli.cli.learn_progress import NightDisplay
    from tsubasa_cli.learn.ground import Hooks

    display = NightDisplay()
    try:
        with display:
            outcome = work(Hooks(display.show, display.say))
    except KeyboardInterrupt:
        context.say("Stopped. What is done is kept: tsubasa learn --resume goes on.")
        raise typer.Exit(INTERRUPTED) from None
    _tell(outcome, as_json)


def _tell(outcome: Outcome, as_json: bool) -> None:
    from tsubasa_cli.cli.learn_render import print_report, run_to_json

    if as_json:
        body = run_to_json(outcome.run)
        context.print_json(body | {"report": outcome.report.to_json() if outcome.report else None})
    elif outcome.report is not None:
        print_report(outcome.report)
        context.say(f"The whole report: {context.paths().learn / outcome.run.id / 'report.md'}")
    else:
        context.say("Paused. tsubasa learn --resume goes on.")
    if outcome.run.state is RunState.REFUSED:
        raise RefusedError(
            "What was learned did not go into service.",
            why=outcome.run.reason,
            next_step=f"See what it failed: tsubasa learn show {outcome.run.id}",
        )


@learn_app.command("status")
def status(as_json: Json = False) -> None:
    """What is in service, and what is on its way."""
    from tsubasa_cli.cli.learn_render import run_to_json
    from tsubasa_cli.learn.status import status_of

    found = status_of(open_ground())
    if as_json:
        last = run_to_json(found.last) if found.last else None
        context.print_json({"in_service": found.model, "new": found.changed, "last": last})
        return
    for line in (*found.lines(), *learn_schedule.told()):
        context.write(f"{line}\n")


@learn_app.command("history")
def history(as_json: Json = False) -> None:
    """All runs, the newest first."""
    from tsubasa_cli.cli.learn_render import print_history, run_to_json

    runs = open_ground().runs.all()
    if as_json:
        context.print_json([run_to_json(run) for run in runs])
    elif runs:
        print_history(runs)
    else:
        context.say("Nothing was learned yet. Begin with: tsubasa learn")


Run = Annotated[str, typer.Argument(metavar="RUN", help="The run's id, or how it begins.")]


@learn_app.command("show")
def show(run: Run, as_json: Json = False) -> None:
    """The report of a run."""
    from tsubasa_cli.cli.learn_render import STATES, report_of, run_to_json

    ground = open_ground()
    found = ground.runs.get(run)
    if as_json:
        context.print_json(run_to_json(found) | {"report": report_of(found)})
        return
    text = ground.folder(found.id).report_text
    if text.exists():
        context.write(text.read_text("utf-8"))
    else:
        context.say(f"{found.id}: {STATES[found.state]}, stage {found.stage}. {found.reason}")


@learn_app.command("rollback")
def rollback(
    run: Annotated[str, typer.Argument(metavar="[RUN]", help="The run to go back to.")] = "",
) -> None:
    """Go back to what served before, or to a certain run."""
    from tsubasa_cli.learn.promote import roll_back

    name = roll_back(open_ground(), run)
    context.say(f"{name} is in service now. An open chat changes over with /reload.")


@learn_app.command("gc")
def collect(
    keep: Annotated[int, typer.Option(min=0, help="Personal models to keep.")] = 2,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would go.")] = False,
) -> None:
    """Delete what no longer serves: models, and what runs left."""
    from tsubasa_cli.learn.keeping import collect_garbage

    removed = collect_garbage(open_ground(), keep, None if dry_run else Path.unlink)
    total = sum(size for _, size in removed)
    for path, size in removed:
        context.say(f"{size / 1e6:10,.1f} MB  {path}")
    verb = "would be" if dry_run else "were"
    context.say(f"{len(removed):,} files, {total / 1e6:,.1f} MB {verb} removed.")


def _wishes(apply: Apply, budget: str, device: str, seed: int, force: bool) -> Wishes:
    from tsubasa_cli.learn.clock import seconds_of
    from tsubasa_cli.learn.ground import Wishes
    from tsubasa_cli.learn.recipe import Recipe

    return Wishes(apply, seconds_of(budget), device, Recipe(seed=seed), force)


def _require_libraries() -> None:
    from importlib.util import find_spec

    missing = [name for name in ("torch", "transformers", "peft", "gguf") if not find_spec(name)]
    if missing:
        raise ModelError(
            "Learning needs libraries that are not installed.",
            why=f"Missing: {', '.join(missing)}.",
            next_step="Install them: pip install 'tsubasa-cli[learn]'",
        )
