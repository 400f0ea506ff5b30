"""The report on LoCoMo, made from the records alone.

    python tests/bench/locomo/report.py DIR --to assets/bench

``DIR`` is what ``run.py`` was given as ``--out``. Writes ``MODEL.md``, ``MODEL-f1.svg`` and
``MODEL-evidence.svg`` for every model; the words of the data set are in the records only.
"""

from __future__ import annotations

import argparse
import itertools
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path

HERE = Path(__file__).parent
sys.path[:0] = [str(HERE), str(HERE.parent)]

import locomo_tables as tables  # noqa: E402
from locomo_curves import plots  # noqa: E402
from locomo_records import checksum  # noqa: E402
from locomo_scores import ADVERSARIAL, CATEGORIES, Interval  # noqa: E402
from locomo_systems import IN_WORDS, SYSTEMS, parts_of  # noqa: E402

OURS = ("tsubasa", "learned")
LEARNED = "learned"
PROMOTED = "promoted"
RECORDS = ("answers.jsonl", "writes.jsonl", "nights.jsonl", "contexts.jsonl")
Measure = tuple[Callable[[Iterable[tables.Record]], list[tables.Record]], tables.Value]
EVIDENCE: Measure = (tables.answerable, tables.evidence)
MEASURES: Mapping[str, Measure] = {
    "LoCoMo F1, answerable": (tables.answerable, tables.locomo),
    **{
        f"LoCoMo F1, {name}": (partial(tables.of_category, category=category), tables.locomo)
        for category, name in CATEGORIES.items()
    },
    "Mem0-style F1": (tables.answerable, tables.set_f1),
    "evidence recall": EVIDENCE,
}


def report(results: tables.Results, folder: Path, notes: str = "") -> str:
    """The whole report of one model, as Markdown. ``notes`` are what somebody who read the raw
    outputs has to say of them."""
    sections = (
        _head(results),
        _behind(results),
        iter([notes] if notes else []),
        _locomo_table(results),
        _mem0_table(results),
        _cost_table(results),
        _context_table(results),
        _write_table(results),
        _night_table(results),
        _pictures(results),
        _sources(results, folder),
    )
    return "\n".join(line for section in sections for line in [*section, ""])


# ----------------------------------------------------------------------------- sections


def _head(results: tables.Results) -> Iterator[str]:
    rows = [row for each in results.answers.values() for row in each]
    names = sorted({row["conversation"] for row in rows})
    yield f"# LoCoMo with {results.model}"
    yield ""
    yield (
        f"Conversations: {', '.join(names)}. Window {rows[0]['window']:,} tokens, greedy, one"
        f" prompt for all systems (`{rows[0]['prompt']}`). Model SHA-256"
        f" `{rows[0]['model_sha256']}`."
        f" {rows[0]['versions']}."
    )
    yield ""
    yield (
        "Figures are percentages with 95 % bootstrap intervals, clustered by conversation."
        + (
            " **There is one conversation only: the intervals speak of its questions, and not of"
            " other conversations.**"
            if len(names) == 1
            else ""
        )
    )
    sizes = {len(each) for each in results.answers.values()}
    if len(sizes) > 1:
        yield ""
        yield (
            "**Not every system has answered every question yet** (column *questions*); compare"
            " rows by the paired differences, which count the questions that both answered."
        )

    if told := _not_learned(results):
        yield ""
        yield told


def _not_learned(results: tables.Results) -> str:
    """That some of the answers of what learned are the base's own; empty where none is."""
    rows = [
        row
        for name, each in results.answers.items()
        if parts_of(name)[0] == LEARNED
        for row in each
    ]
    by_base = sum(not row["adapter_sha256"] for row in rows)
    if not by_base:
        return ""
    kept = sum(night["state"] == PROMOTED for night in results.nights)
    return (
        f"**Of {len(results.nights)} nights {kept} went into service. Where none did, the base"
        f" answers, as it does for a user: {by_base} of the {len(rows)} answers of `{LEARNED}` are"
        " the base's.**"
    )


def _behind(results: tables.Results) -> Iterator[str]:
    """Where a system that is not ours has the better mean of the questions that both have."""
    yield "## Where Tsubasa is not ahead"
    yield ""
    answered = _losses(results.answers, MEASURES, _pairs(results.answers))
    alike = [pair for pair in _pairs(results.contexts) if len({parts_of(n)[1] for n in pair}) == 1]
    alone = _losses(results.contexts, {"evidence recall by retrieval alone": EVIDENCE}, alike)
    told = [*answered, *alone]
    yield from told or ["Nowhere in these records, by the means."]


def _pairs(systems: Iterable[str]) -> list[tuple[str, str]]:
    """Each of ours with each of its rivals."""
    names = list(systems)
    return [(ours, name) for ours in filter(_is_ours, names) for name in _rivals(ours, names)]


def _rivals(ours: str, systems: Iterable[str]) -> list[str]:
    """What is not ours; and for what learned, the same memory without weights of its own too."""
    if parts_of(ours)[0] == LEARNED:
        return [name for name in systems if parts_of(name)[0] != LEARNED]
    return [name for name in systems if not _is_ours(name)]


def _losses(
    systems: Mapping[str, Sequence[tables.Record]],
    measures: Mapping[str, Measure],
    pairs: Sequence[tuple[str, str]],
) -> Iterator[str]:
    for (measure, (which, value)), pair in itertools.product(measures.items(), pairs):
        kept = [which(systems[name]) for name in pair]
        gap = tables.compared(kept[0], kept[1], value)
        if gap.count and gap.mean < 0:
            sure = "" if gap.high < 0 else "; the interval holds 0"
            tokens = [f"{tables.plain_mean(rows, tables.context_tokens):,.0f}" for rows in kept]
            yield (
                f"- {measure}: {pair[0]} is {-100 * gap.mean:.1f} behind {pair[1]}"
                f" ({_signed(gap)}, {gap.count} questions{sure}), with {tokens[0]} context tokens"
                f" against {tokens[1]}."
            )


def _locomo_table(results: tables.Results) -> Iterator[str]:
    everything = [row for rows in results.answers.values() for row in rows]
    found = tables.categories_in(everything)
    yield "## LoCoMo F1 (the benchmark's own)"
    yield ""
    yield (
        "Stemmed token F1; adversarial questions offer abstaining as one of two choices, as the"
        " benchmark does, and count whether it is taken."
    )
    yield ""
    yield from _table_head(
        ["system", "questions", "answerable", *(CATEGORIES[c] for c in found), "all five"]
    )
    for name, rows in results.answers.items():
        cells = [_cell(tables.mean(tables.of_category(rows, c), tables.locomo)) for c in found]
        yield _row(
            _bold(name),
            str(len(rows)),
            _cell(tables.mean(tables.answerable(rows), tables.locomo)),
            *cells,
            _cell(tables.mean(rows, tables.locomo)),
        )
    yield ""
    yield from _paired(results)


def _paired(results: tables.Results) -> Iterator[str]:
    """Our best ``k`` against each other system, on common questions."""
    for ours in filter(_is_ours, results.answers):
        kept = tables.answerable(results.answers[ours])
        gaps = [
            f"{name} {_signed(_gap(kept, results.answers[name]))}"
            for name in _rivals(ours, results.answers)
        ]
        if gaps:
            yield f"Paired differences, answerable, {ours} minus: {'; '.join(gaps)}."
            yield ""


def _gap(answerable: Sequence[tables.Record], others: Sequence[tables.Record]) -> Interval:
    return tables.compared(answerable, tables.answerable(others), tables.locomo)


def _mem0_table(results: tables.Results) -> Iterator[str]:
    yield "## By Mem0's harness"
    yield ""
    yield "Set F1 without stemming, BLEU-1; adversarial questions are left out."
    yield ""
    yield from _table_head(["system", "questions", "F1", "BLEU-1"])
    for name, rows in results.answers.items():
        kept = tables.answerable(rows)
        yield _row(
            _bold(name),
            str(len(kept)),
            _cell(tables.mean(kept, tables.set_f1)),
            _cell(tables.mean(kept, tables.bleu)),
        )


def _cost_table(results: tables.Results) -> Iterator[str]:
    yield "## What an answer costs"
    yield ""
    yield "Evidence recall: the share of a question's evidence turns that its context stands for."
    yield ""
    yield from _table_head(
        ["system", "context tokens", "prompt tokens", "evidence recall", "seconds"]
    )
    for name, rows in results.answers.items():
        yield _row(
            _bold(name),
            f"{tables.plain_mean(rows, tables.context_tokens):,.0f}",
            f"{tables.plain_mean(rows, lambda row: float(row['prompt_tokens'])):,.0f}",
            _cell(tables.mean(rows, tables.evidence)),
            f"{tables.plain_mean(rows, tables.seconds):.1f}",
        )
    yield ""
    yield "Seconds are of one machine, shared with other work; they order the systems, no more."


def _context_table(results: tables.Results) -> Iterator[str]:
    """Retrieval alone, over all conversations of the file."""
    if not results.contexts:
        return
    rows = next(iter(results.contexts.values()))
    names = sorted({row["conversation"] for row in rows})
    yield "## Evidence by retrieval alone"
    yield ""
    yield f"{len(rows)} answerable questions of {', '.join(names)}; no model answers."
    yield ""
    found = [c for c in tables.categories_in(rows) if c != ADVERSARIAL]
    yield from _table_head(
        ["system", "context tokens", "evidence recall", *(CATEGORIES[c] for c in found)]
    )
    for name, rows in results.contexts.items():
        cells = [
            f"{100 * tables.mean(tables.of_category(rows, c), tables.evidence).mean:.1f}"
            for c in found
        ]
        tokens = f"{tables.plain_mean(rows, tables.context_tokens):,.0f}"
        yield _row(_bold(name), tokens, _cell(tables.mean(rows, tables.evidence)), *cells)


def _write_table(results: tables.Results) -> Iterator[str]:
    yield "## What writing costs, per 1,000 of the user's utterances"
    yield ""
    yield from _table_head(
        ["writer", "utterances", "calls", "tokens", "seconds", "events", "failed"]
    )
    for cost in tables.write_costs(results.costs):
        events = ", ".join(f"{count} {name}" for name, count in sorted(cost.events.items()))
        yield _row(
            cost.writer,
            str(cost.turns),
            f"{cost.calls:,.0f}",
            f"{cost.tokens:,.0f}",
            f"{cost.seconds:,.0f}",
            events,
            str(cost.failed),
        )


def _night_table(results: tables.Results) -> Iterator[str]:
    """What the nights cost, and why those that did not go into service did not."""
    if not results.nights:
        return
    budgets = sorted({night["budget_seconds"] for night in results.nights})
    given = ", ".join(f"{budget:,.0f} s" if budget else "none" for budget in budgets)
    yield "## What learning costs, a home"
    yield ""
    yield (
        "A home is one speaker's; its night is `tsubasa learn --apply adapter` after the writing"
        f" above, on the model itself. Budget: {given}. *Gap closed* is the gate's: 0 knows as"
        " little as before, 1 as much as with the notes in sight."
    )
    yield ""
    names = ["memories", "lessons", "steps", "seconds", "seconds per 1,000 utterances"]
    yield from _table_head(["nights", "homes", *names, "gap closed"])
    for cost in tables.night_costs(results.nights):
        means = (cost.memories, cost.lessons, cost.steps, cost.seconds, cost.seconds_per_1000)
        closed = "–" if cost.gap_closed is None else f"{cost.gap_closed:.2f}"
        yield _row(cost.state, str(cost.homes), *(f"{mean:,.0f}" for mean in means), closed)
    yield ""
    for night in results.nights:
        if night["state"] != PROMOTED:
            why = night["reason"] or "The memory is empty."
            yield f"- {night['conversation']}, a home {night['state']}: {why}"


def _pictures(results: tables.Results) -> Iterator[str]:
    yield "## Quality against cost"
    yield ""
    yield f"![F1 against context tokens]({results.model}-f1.svg)"
    yield ""
    yield f"![Evidence recall against context tokens]({results.model}-evidence.svg)"


def _sources(results: tables.Results, folder: Path) -> Iterator[str]:
    yield "## Systems and records"
    yield ""
    for name in dict.fromkeys(parts_of(system)[0] for system in results.answers):
        yield f"- `{name}`: {IN_WORDS[name]}."
    yield ""
    yield "Behind `@` is how many pieces a context may have. Photos are left out for all systems."
    yield ""
    for file in (folder / name for name in RECORDS):
        if file.exists():
            yield f"Raw outputs, kept outside the repository: `{file.name}` `{checksum(file)}`"
            yield ""


# ----------------------------------------------------------------------------- small parts


def _is_ours(system: str) -> bool:
    return parts_of(system)[0] in OURS


def _bold(system: str) -> str:
    return f"**{system}**" if _is_ours(system) else system


def _cell(found: Interval) -> str:
    if not found.count:
        return "–"
    return f"{100 * found.mean:.1f} ({100 * found.low:.1f}–{100 * found.high:.1f})"


def _signed(gap: Interval) -> str:
    if not gap.count:
        return "–"
    return f"{100 * gap.mean:+.1f} ({100 * gap.low:+.1f} to {100 * gap.high:+.1f})"


def _table_head(names: Sequence[str]) -> Iterator[str]:
    yield _row(*names)
    yield _row(*("---" for _ in names))


def _row(*cells: str) -> str:
    return f"| {' | '.join(cells)} |"


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("records", type=Path, help="the folder that run.py wrote into")
    parser.add_argument("--to", type=Path, required=True, help="where the report goes")
    parser.add_argument("--notes", type=Path, help="Markdown that goes into the report")
    arguments = parser.parse_args()
    notes = arguments.notes.read_text("utf-8") if arguments.notes else ""
    arguments.to.mkdir(parents=True, exist_ok=True)
    for answers in sorted(arguments.records.glob("*/answers.jsonl")):
        results = tables.results_in(answers.parent, SYSTEMS)
        if not results.answers:
            continue
        target = arguments.to / f"{results.model}.md"
        target.write_text(report(results, answers.parent, notes), "utf-8")
        for end, drawing in plots(results).items():
            target.with_name(f"{results.model}-{end}.svg").write_text(drawing, "utf-8")
        print(target)


if __name__ == "__main__":
    main()
