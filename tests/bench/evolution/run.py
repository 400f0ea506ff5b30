"""The evolution suite: does an evolving memory stay truer than one that only grows?

    python tests/bench/evolution/run.py                      # by code alone, no model
    python tests/bench/evolution/run.py --model A.gguf --model B.gguf --cache DIR --out DIR
    python tests/bench/evolution/run.py --part held_out      # lives that no rule was made with
    python tests/bench/evolution/run.py --smoke --model SmolLM2-135M-Instruct.Q4_1.gguf

Each model plays all cases in each system; answers are kept in ``--cache`` by prompt hash, so a
rerun asks only what is new. Prints a table a model, and writes a JSON line a case and system.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

from evolution_models import CachedModel
from evolution_scoring import Tally, score, total
from evolution_suite import PARTS, Case, load_cases
from evolution_systems import SYSTEMS, extracted, live

from tsubasa_cli.memory.values import Observation

COLUMNS = [field.name for field in fields(Tally)]


@dataclass(frozen=True, slots=True)
class Played:
    model: str
    system: str
    case: Case
    tally: Tally
    memories: Sequence[Observation]


async def play(case: Case, model: CachedModel | None, systems: Sequence[str]) -> list[Played]:
    sessions = await extracted(case, model)
    played: list[Played] = []
    with tempfile.TemporaryDirectory() as folder:
        for system in systems:
            known = await live(system, sessions, case, model, Path(folder, system))
            name = model.path.stem if model else "code alone"
            played.append(Played(name, system, case, score(case, known), known))
    return played


async def run(
    cases: Sequence[Case], model: CachedModel | None, systems: Sequence[str] = SYSTEMS
) -> list[Played]:
    systems = [system for system in systems if model or system != "free"]
    played: list[Played] = []
    try:
        for number, case in enumerate(cases, 1):
            played += await play(case, model, systems)
            print(f"\r{number}/{len(cases)} {case.label:40}", end="", file=sys.stderr, flush=True)
    finally:
        print(file=sys.stderr)
        if model:
            await model.close()
    return played


def table(played: Sequence[Played]) -> Iterator[str]:
    yield f"{'family':16} {'system':9} " + " ".join(f"{name[:14]:>14}" for name in COLUMNS)
    families: dict[tuple[str, str], list[Tally]] = defaultdict(list)
    for one in played:
        families[one.case.family, one.system].append(one.tally)
        families["ALL", one.system].append(one.tally)
    for (family, system), tallies in sorted(families.items(), key=lambda item: item[0][0] == "ALL"):
        counts = asdict(total(tallies)).values()
        yield f"{family:16} {system:9} " + " ".join(f"{count:14}" for count in counts)


def misses(played: Sequence[Played], system: str) -> Iterator[str]:
    """What went wrong in each case, for reading."""
    for one in played:
        wrong = {name: n for name, n in asdict(one.tally).items() if n and name != "facts"}
        if one.system == system and wrong:
            yield f"{one.case.label}: {wrong}"
            yield from (f"    {m.status.value:11} {m.statement}" for m in one.memories)


def record(one: Played) -> str:
    memories = [
        {"status": m.status, "statement": m.statement, "from": str(m.event_from or "")}
        for m in one.memories
    ]
    row = {"model": one.model, "system": one.system, "family": one.case.family}
    return json.dumps(
        {**row, "case": one.case.name, **asdict(one.tally), "memories": memories},
        ensure_ascii=False,
    )


def chosen(arguments: argparse.Namespace) -> list[Case]:
    cases = load_cases(PARTS[arguments.part])
    cases = [c for c in cases if not arguments.family or c.family in arguments.family]
    if arguments.smoke or arguments.one_each:
        cases = list({case.family: case for case in reversed(cases)}.values())
    return cases


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--model", type=Path, action="append", default=[], help="a GGUF file")
    parser.add_argument("--cache", type=Path, help="folder that keeps the models' answers")
    parser.add_argument("--out", type=Path, help="folder for records and tables")
    parser.add_argument("--family", action="append", help="only this family (repeatable)")
    parser.add_argument("--part", choices=PARTS, default="tuned", help="which lives")
    parser.add_argument("--system", action="append", choices=SYSTEMS, help="only this system")
    parser.add_argument("--one-each", action="store_true", help="one case a family")
    parser.add_argument("--smoke", action="store_true", help="one case a family, about a minute")
    parser.add_argument("--misses", metavar="SYSTEM", help="print what SYSTEM got wrong")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


def main() -> None:
    arguments = options()
    cache = arguments.cache or Path(tempfile.mkdtemp(prefix="evolution-"))
    models = [CachedModel(path, cache, arguments.threads) for path in arguments.model] or [None]
    for model in models:
        start = time.perf_counter()
        played = asyncio.run(run(chosen(arguments), model, arguments.system or SYSTEMS))
        lines = list(table(played))
        asked = f", asked {model.asked}, remembered {model.remembered}" if model else ""
        name = model.path.stem if model else "code alone"
        print(f"\n{name}: {time.perf_counter() - start:.0f} s{asked}", *lines, sep="\n")
        if arguments.misses:
            print(*misses(played, arguments.misses), sep="\n")
        if arguments.out:
            arguments.out.mkdir(parents=True, exist_ok=True)
            stem = arguments.out / name.replace(" ", "-")
            stem.with_suffix(".jsonl").write_text("\n".join(map(record, played)) + "\n", "utf-8")
            stem.with_suffix(".txt").write_text("\n".join(lines) + "\n", "utf-8")


if __name__ == "__main__":
    main()
