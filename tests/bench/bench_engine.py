"""Decode throughput of the whole stack (client → process → events) against raw llama.cpp loops.

Run ``python tests/bench/bench_engine.py [MODEL.gguf]``. Stack and raw loops take turns within one
run, because a shared machine is never the same twice; the figure is the median of the ratios.
The raw loops wait for their threads as libgomp does by default, which suffers when other programs
want the cores; ``GOMP_SPINCOUNT=1000`` before the command makes them wait as the engine's do.
"""

from __future__ import annotations

import argparse
import asyncio
import statistics
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path

import llama_cpp.llama_cpp as llama
from bench_page import starter_model
from llama_cpp import Llama

from tsubasa_cli.engine.client import Engine
from tsubasa_cli.engine.protocol import Done, Message, ModelSpec, Sampling, TextDelta
from tsubasa_cli.engine.threads import default_threads

PROMPT = "Write a long story about a lighthouse keeper and the sea."
N_CTX = 2048


async def stack_rate(engine: Engine, tokens: int) -> float:
    """Tokens a second between the first delta and the end, as the program sees them."""
    started = 0.0
    sampling = Sampling(temperature=0.0)
    async for event in engine.generate(
        [Message("user", PROMPT)], sampling, max_tokens=tokens, settle=False
    ):
        if isinstance(event, TextDelta) and not started:
            started = time.perf_counter()
    assert isinstance(event, Done)
    return (event.stats.generated - 1) / (time.perf_counter() - started)


def high_level(raw: Llama, prompt: list[int]) -> Iterator[int]:
    """The library's own loop."""
    raw.reset()
    yield from raw.generate(prompt, temp=0.0, repeat_penalty=1.0)


def low_level(raw: Llama, prompt: list[int]) -> Iterator[int]:
    """The C API and nothing else: what llama.cpp can do from Python at best."""
    context = raw._ctx.ctx
    llama.llama_memory_clear(llama.llama_get_memory(context), True)
    chain = llama.llama_sampler_init_greedy()
    tokens = prompt
    while True:
        array = (llama.llama_token * len(tokens))(*tokens)
        llama.llama_decode(context, llama.llama_batch_get_one(array, len(tokens)))
        token = llama.llama_sampler_sample(chain, context, -1)
        yield token
        tokens = [token]


def raw_rate(loop: Iterator[int], tokens: int) -> float:
    next(loop)
    started = time.perf_counter()
    count = sum(1 for _ in islice(loop, tokens - 1))
    return count / (time.perf_counter() - started)


async def compare(model: Path, pairs: int, tokens: int, folder: Path) -> None:
    engine = Engine(folder / "engine.log", folder / "probes.json")
    await engine.load(ModelSpec(str(model), N_CTX))
    n_threads = default_threads()
    raw = Llama(
        str(model), n_ctx=N_CTX, n_threads=n_threads, n_threads_batch=n_threads, verbose=False
    )
    prompt = raw.tokenize(f"<|im_start|>user\n{PROMPT}".encode(), special=True)
    ratios: dict[str, list[float]] = {"high-level": [], "low-level": []}
    loops = {"high-level": high_level, "low-level": low_level}
    await stack_rate(engine, tokens)
    for number in range(pairs):
        name = list(loops)[number % len(loops)]
        reference = raw_rate(loops[name](raw, prompt), tokens)
        rate = await stack_rate(engine, tokens)
        reference = (reference + raw_rate(loops[name](raw, prompt), tokens)) / 2
        ratios[name].append(rate / reference)
        print(f"{name:>10}: stack {rate:6.1f} tok/s, raw {reference:6.1f}, {rate / reference:.3f}")
    await engine.close()
    for name, found in ratios.items():
        print(f"median ratio stack / {name} loop: {statistics.median(found):.3f}")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.split("\n", 1)[0])
    parser.add_argument("model", nargs="?", type=Path)
    parser.add_argument("--pairs", type=int, default=12)
    parser.add_argument("--tokens", type=int, default=200)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        model = options.model or starter_model()
        asyncio.run(compare(model, options.pairs, options.tokens, Path(folder)))


if __name__ == "__main__":
    main()
