"""``tsubasa model export``: a model in a folder of its own, ready for Ollama and llama.cpp."""

from __future__ import annotations

from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from tsubasa_cli.cli import context

if TYPE_CHECKING:
    from tsubasa_cli.models.export import Manner
    from tsubasa_cli.models.model import Model
    from tsubasa_cli.storage.settings import Settings

INTERRUPTED = 130


def _complete_installed(incomplete: str) -> list[str]:
    names = [model.name for model in context.shelf().list()]
    return [name for name in names if name.lower().startswith(incomplete.lower())]


def export(
    name: Annotated[
        str, typer.Argument(help="The model's name.", autocompletion=_complete_installed)
    ],
    folder: Annotated[Path, typer.Argument(help="A folder that is empty, or not there yet.")],
) -> None:
    """Put a model into a folder, with a Modelfile for Ollama. Nothing is overwritten."""
    from tsubasa_cli.cli.model_progress import CopyDisplay
    from tsubasa_cli.models.export import export_model

    model, settings = context.shelf().get(name), context.settings()
    try:
        with CopyDisplay(model.name, "Exporting") as display:
            manner = _as_here(model, settings)
            done = export_model(model, folder.absolute(), manner, _may_leave, display.show)
    except KeyboardInterrupt:
        context.say("Stopped. Nothing was exported.")
        raise typer.Exit(INTERRUPTED) from None
    context.say(f"{model.name} is in {done.folder}: {', '.join(done.files)}.")
    if done.translation is None:
        context.say("Its chat template is not one that Ollama can be told of; see the Modelfile.")
    if model.is_personal:
        context.say("It knows you by heart: give it to nobody who must not know you so well.")


def _as_here(model: Model, settings: Settings) -> Manner:
    """As the chat would run it: the family's sampling, then the settings."""
    from tsubasa_cli.models.export import Manner
    from tsubasa_cli.models.presets import sampling_for

    chosen = settings.sampling.chosen()
    sampling = replace(sampling_for(model.family, settings.chat.thinking), **chosen)
    system = settings.personas.get(settings.chat.persona, settings.chat.system_prompt)
    return Manner(sampling, system, settings.engine.context_tokens)


def _may_leave(model: Model) -> str | None:
    """A model that learned what was erased since must not be carried on elsewhere."""
    if not model.is_personal:
        return None
    from tsubasa_cli.learn.runs import RunStore

    with closing(context.connect()) as connection:
        if RunStore(connection).holds_erased(model.run_id):
            return "It learned a memory that you have erased since."
    return None
