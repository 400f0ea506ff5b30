"""``tsubasa memory inspect``: the memory on the screen."""

from __future__ import annotations

from typing import Annotated

import typer

from tsubasa_cli.cli.inspecting import open_inspector


def inspect(
    search: Annotated[list[str] | None, typer.Argument(help="Search for this right away.")] = None,
) -> None:
    """See, question and correct everything that is believed about you.

    \b
    1 2 3 4       memories, timeline, ask, stats
    /             search; the order is that in which a chat would recall
    Enter, Esc    read all about a memory; back
    v o w         what to show; another order; scores of the search
    Space *       mark one; mark all that is listed
    e n s m t     edit; note a new one; split; merge the marked; tags
    p f a         pin; forget, or no; bring back, or yes to one that waits
    u r           undo; redo
    g             go to where it was said
    x             erase for good: lists every place, asks for a word
    ? q           all keys; close

    In a chat it opens with F2 or /inspect. Keys can be changed under [keys] in the settings.
    """
    open_inspector(" ".join(search or ()))
