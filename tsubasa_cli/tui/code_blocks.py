"""The code blocks of a Markdown text."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class CodeBlock:
    """One fenced or indented block; ``language`` may be empty."""

    language: str
    code: str


def code_blocks(markdown: str) -> list[CodeBlock]:
    """All code blocks of ``markdown``, in order, those in lists and quotes too."""
    from markdown_it import MarkdownIt

    tokens = MarkdownIt("gfm-like").parse(markdown)
    return [
        CodeBlock(token.info.strip().split(" ")[0], token.content.rstrip("\n"))
        for token in tokens
        if token.type in ("fence", "code_block")
    ]
