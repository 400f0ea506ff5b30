"""Tokens of a prompt: scaffold with special tokens on, content strictly as text."""

from __future__ import annotations

import re
from array import array
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain

import llama_cpp.llama_cpp as llama

from tsubasa_cli.engine.native import NativeModel
from tsubasa_cli.engine.protocol import Message
from tsubasa_cli.engine.templates import Content, Segment, choose_template, template_family
from tsubasa_cli.engine.thinking import CLOSE, OPEN

CACHED_TOKENS = 4_000_000
"""Tokens remembered per kind of text (16 MB): a long session is not tokenized anew every turn."""

EMPTY_THINKING = f"\n\n{CLOSE}\n\n"
"""Closes a think block that a template opens whatever it is told, as Qwen-3's own would be."""

MARKUP = re.compile(r"[<\[【].*[>\]】]", re.DOTALL)
"""Looks of tokens that mean something to a model beyond their letters."""


class PromptMaker:
    """Renders and tokenizes messages for one model."""

    def __init__(self, model: NativeModel) -> None:
        self._model = model
        bos, eos = model.bos(), model.eos()
        self._bos = bos
        self._adds_bos = model.adds_bos() and bos is not None
        self.template = choose_template(
            model.chat_template(),
            model.token_text(bos) if bos is not None else "",
            model.token_text(eos) if eos is not None else "",
        )
        self.family = template_family(self.template.source, model.architecture)
        self._pads_with_space = model.tokenize("a", False) != model.tokenize("\na", False)[-1:]
        self._marks = Marks(_meaningful_texts(model, self._pads_with_space))
        self.scaffold_tokens = TokenCache(self._scaffold_tokens)
        self.text_tokens = TokenCache(self._text_tokens)

    def generation(self, messages: Sequence[Message], thinking: bool | None) -> list[int]:
        """Tokens of the prompt that asks for the next reply."""
        return self._tokens(self.template.generation(messages, thinking))

    def history(self, messages: Sequence[Message], thinking: bool | None = None) -> list[int]:
        """Tokens that every later prompt beginning with ``messages`` begins with."""
        return self._tokens(self.template.history(messages, thinking))

    def opens_thinking(self, messages: Sequence[Message], thinking: bool | None) -> bool:
        """The prompt ends inside a think block, so that the reply begins with its thinking."""
        last = self.template.generation(messages, thinking)[-1]
        return last.text.rfind(OPEN) > last.text.rfind(CLOSE)

    def forced(self, messages: Sequence[Message], prefix: str) -> list[int]:
        """Tokens of a prompt whose reply, without thinking, has begun with ``prefix``."""
        tokens = self.generation(messages, False)
        if self.opens_thinking(messages, False):
            tokens.extend(self.scaffold_tokens(EMPTY_THINKING))
        tokens.extend(self.text_tokens(prefix))
        return tokens

    def reply(self, text: str, thinking: str | None) -> list[int]:
        """Tokens of a reply as the model would make it, with the one that ends it. ``thinking``
        None: behind a prompt that has closed the think block, else what is thought before."""
        tokens: list[int] = []
        if thinking is not None:
            tokens.extend(self.scaffold_tokens(f"{OPEN}\n"))
            tokens.extend(self.text_tokens(thinking.strip()))
            tokens.extend(self.scaffold_tokens(f"\n{CLOSE}\n\n"))
        return [*tokens, *self.text_tokens(text), *self._reply_end()]

    def _reply_end(self) -> list[int]:
        """What the template puts behind a reply, as far as the model makes it itself."""
        asked = (Message("user", "a"), Message("assistant", "b"))
        behind = self.scaffold_tokens(_behind_reply(self.template.history(asked)))
        ends = [token for token in behind[:1] if self._model.ends_generation(token)]
        eos = self._model.eos()
        return ends or ([eos] if eos is not None else [])

    def _tokens(self, segments: Iterable[Segment]) -> list[int]:
        tokens: list[int] = []
        for segment in segments:
            tokenize = self.text_tokens if isinstance(segment, Content) else self.scaffold_tokens
            tokens.extend(tokenize(segment.text))
        if self._adds_bos and tokens[:1] != [self._bos]:
            tokens[:0] = [self._bos] if self._bos is not None else []
        return tokens

    def _scaffold_tokens(self, text: str) -> Iterable[int]:
        return self._plain(text, parse_special=True)

    def _text_tokens(self, text: str) -> Iterable[int]:
        """Tokens that spell ``text`` byte for byte, none of them special."""
        return chain.from_iterable(
            self._plain(part, parse_special=False) for part in self._marks.break_up(text)
        )

    def _plain(self, text: str, parse_special: bool) -> list[int]:
        """Tokens of a piece that stands inside a prompt. SentencePiece vocabularies put a space
        before whatever they are given; behind a newline it goes to the newline instead."""
        if not text:
            return []
        if not self._pads_with_space:
            return self._model.tokenize(text, parse_special)
        guard = self._model.tokenize("\n", False)
        tokens = self._model.tokenize("\n" + text, parse_special)
        if tokens[: len(guard)] == guard:
            return tokens[len(guard) :]
        return self._model.tokenize(text, parse_special)


def _behind_reply(segments: Sequence[Segment]) -> str:
    """The scaffold behind the last thing that was said."""
    last = max(i for i, segment in enumerate(segments) if isinstance(segment, Content))
    return "".join(segment.text for segment in segments[last + 1 :])


class TokenCache:
    """A tokenizer that remembers the texts it saw last."""

    def __init__(self, tokenize: Callable[[str], Iterable[int]]) -> None:
        self._tokenize = tokenize
        self._known: OrderedDict[str, array[int]] = OrderedDict()
        self._size = 0

    def __call__(self, text: str) -> Sequence[int]:
        tokens = self._known.get(text)
        if tokens is None:
            tokens = self._known[text] = array("i", self._tokenize(text))
            self._size += len(tokens)
            while self._size > CACHED_TOKENS:
                _, dropped = self._known.popitem(last=False)
                self._size -= len(dropped)
        else:
            self._known.move_to_end(text)
        return tokens


class Marks:
    """Strings that a vocabulary gives a meaning, and how to keep them plain text."""

    def __init__(self, texts: Iterable[str]) -> None:
        self._texts = {text for text in texts if len(text) > 1}
        self._lengths = sorted({len(text) for text in self._texts})
        firsts = "".join(sorted({re.escape(text[0]) for text in self._texts}))
        self._first = re.compile(f"[{firsts}]") if firsts else None

    def break_up(self, text: str) -> Iterator[str]:
        """Parts of ``text`` none of which holds a whole mark; joined they are ``text``."""
        start = 0
        for cut in self._cuts(text):
            yield text[start:cut]
            start = cut
        yield text[start:]

    def _cuts(self, text: str) -> Iterator[int]:
        if self._first is None:
            return
        for match in self._first.finditer(text):
            at = match.start()
            if any(text[at : at + length] in self._texts for length in self._lengths):
                yield at + 1


def _meaningful_texts(model: NativeModel, pads_with_space: bool) -> list[str]:
    """Control tokens, and those of the file's added tokens that look like markup (``<think>``):
    llama.cpp finds the latter in any text, special tokens on or off. Vocabularies that pad with
    spaces do so again behind each added token that is found, so there none may be."""
    control = llama.LLAMA_TOKEN_ATTR_CONTROL | llama.LLAMA_TOKEN_ATTR_UNKNOWN
    texts = [model.token_text(token) for token in model.tokens_of_kind(control)]
    added = map(model.token_text, model.tokens_of_kind(llama.LLAMA_TOKEN_ATTR_USER_DEFINED))
    return texts + [text for text in added if pads_with_space or MARKUP.fullmatch(text)]
