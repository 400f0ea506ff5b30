"""How the next token is chosen: llama.cpp's own sampler chain for a ``Sampling``."""

from __future__ import annotations

import llama_cpp.llama_cpp as llama

from tsubasa_cli.engine.grammar import Grammar
from tsubasa_cli.engine.native import NativeModel
from tsubasa_cli.engine.native_context import NativeContext
from tsubasa_cli.engine.protocol import Sampling

PENALTY_WINDOW = 256
"""Generated tokens that the penalties look back on."""

RANDOM_SEED = 0xFFFFFFFF
"""LLAMA_DEFAULT_SEED: llama.cpp draws one."""


class Sampler:
    """One reply's chain; free it with ``close``, which frees ``grammar`` too."""

    def __init__(
        self, context: NativeContext, sampling: Sampling, grammar: Grammar | None = None
    ) -> None:
        self._context = context
        self._grammar = grammar
        self._chain = llama.llama_sampler_chain_init(llama.llama_sampler_chain_default_params())
        for link in _links(context.model, sampling):
            llama.llama_sampler_chain_add(self._chain, link)

    def next_token(self, index: int = -1) -> int:
        """Sample (and account for) a token from the logits at ``index`` of the last batch, -1 for
        those evaluated last."""
        if self._grammar is None:
            return self._context.sample(self._chain, index)
        return self._grammar.sample(self._chain, self._context.logits(index))

    def close(self) -> None:
        llama.llama_sampler_free(self._chain)
        if self._grammar is not None:
            self._grammar.close()


def _links(model: NativeModel, sampling: Sampling) -> list[object]:
    links: list[object] = []
    if sampling.repeat_penalty != 1.0 or sampling.presence_penalty != 0.0:
        links.append(_penalties(model, sampling))
    if sampling.temperature <= 0:
        return [*links, llama.llama_sampler_init_greedy()]
    if sampling.top_k > 0:
        links.append(llama.llama_sampler_init_top_k(sampling.top_k))
    if sampling.top_p < 1.0:
        links.append(llama.llama_sampler_init_top_p(sampling.top_p, 1))
    if sampling.min_p > 0.0:
        links.append(llama.llama_sampler_init_min_p(sampling.min_p, 1))
    seed = RANDOM_SEED if sampling.seed is None else sampling.seed & 0xFFFFFFFF
    links.append(llama.llama_sampler_init_temp(sampling.temperature))
    links.append(llama.llama_sampler_init_dist(seed))
    return links


def _penalties(model: NativeModel, sampling: Sampling) -> object:
    values = (PENALTY_WINDOW, sampling.repeat_penalty, 0.0, sampling.presence_penalty)
    init = llama.llama_sampler_init_penalties
    if len(init.argtypes) == len(values):
        return init(*values)
    return init(model.n_vocab, *values)
