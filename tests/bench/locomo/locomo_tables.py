"""Records into figures: what every table and plot of the report is made of."""

from __future__ import annotations

import statistics
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from locomo_records import read_records
from locomo_scores import (
    ADVERSARIAL,
    CATEGORIES,
    Interval,
    bleu_1,
    difference,
    evidence_recall,
    interval,
    locomo_score,
    mem0_f1,
)

Record = dict[str, Any]
Value = Callable[[Record], float | None]


@dataclass(frozen=True, slots=True)
class Results:
    """One model's records: answers by system, in the order of ``SYSTEMS``, write costs, the
    contexts of ``contexts.py`` by system, and the nights, the last of each home."""

    model: str
    answers: Mapping[str, Sequence[Record]]
    costs: Sequence[Record]
    contexts: Mapping[str, Sequence[Record]]
    nights: Sequence[Record] = ()


def results_in(folder: Path, order: Sequence[str]) -> Results:
    """The records of one model's folder. Of the prompts and windows found there only those of the
    newest record count, so that no table mixes two."""
    rows = list(read_records(folder / "answers.jsonl"))
    newest = (rows[-1]["prompt"], rows[-1]["window"]) if rows else ("", 0)
    answers = by_system(row for row in rows if (row["prompt"], row["window"]) == newest)
    return Results(
        model=folder.name,
        answers={name: answers[name] for name in order if name in answers},
        costs=list(read_records(folder / "writes.jsonl")),
        contexts=by_system(read_records(folder / "contexts.jsonl")),
        nights=last_nights(read_records(folder / "nights.jsonl")),
    )


def by_system(rows: Iterable[Record]) -> dict[str, list[Record]]:
    """In the order in which the systems came."""
    found: dict[str, list[Record]] = {}
    for row in rows:
        found.setdefault(row["system"], []).append(row)
    return found


# ----------------------------------------------------------------------------- what is measured


def locomo(row: Record) -> float:
    return locomo_score(row["answer"], row["gold"], row["category"])


def set_f1(row: Record) -> float:
    return mem0_f1(row["answer"], row["gold"])


def bleu(row: Record) -> float:
    return bleu_1(row["answer"], row["gold"])


def evidence(row: Record) -> float | None:
    """None too where the system does not say where its memories are from."""
    if row["covers"] is None or row["category"] == ADVERSARIAL:
        return None
    return evidence_recall(row["covers"], row["evidence"])


def context_tokens(row: Record) -> float:
    return float(row["context_tokens"])


def seconds(row: Record) -> float:
    return float(row["read_seconds"] + row["answer_seconds"])


def answerable(rows: Iterable[Record]) -> list[Record]:
    """Categories 1 to 4."""
    return [row for row in rows if row["category"] != ADVERSARIAL]


def of_category(rows: Iterable[Record], category: int) -> list[Record]:
    return [row for row in rows if row["category"] == category]


def mean(rows: Iterable[Record], value: Value) -> Interval:
    """With its interval, clustered by conversation."""
    clusters: dict[str, list[float]] = defaultdict(list)
    for row in rows:
        if (found := value(row)) is not None:
            clusters[row["conversation"]].append(found)
    return interval(clusters)


def plain_mean(rows: Sequence[Record], value: Callable[[Record], float]) -> float:
    return statistics.fmean(map(value, rows)) if rows else 0.0


def compared(ours: Sequence[Record], theirs: Sequence[Record], value: Value) -> Interval:
    """Ours minus theirs, question by question."""
    return difference(_by_question(ours, value), _by_question(theirs, value))


def _by_question(rows: Iterable[Record], value: Value) -> dict[str, dict[int, float]]:
    found: dict[str, dict[int, float]] = defaultdict(dict)
    for row in rows:
        if (score := value(row)) is not None:
            found[row["conversation"]][row["question"]] = score
    return found


# ----------------------------------------------------------------------------- what writing costs


@dataclass(frozen=True, slots=True)
class WriteCost:
    """Of one writer, over all its conversations: turns of the speaker as the user, and per 1,000
    of them calls of the model, tokens and seconds; events by kind; turns that failed."""

    writer: str
    turns: int
    calls: float
    tokens: float
    seconds: float
    events: Mapping[str, int]
    failed: int


def write_costs(costs: Sequence[Record]) -> Iterator[WriteCost]:
    """One a writer, in the order in which they came."""
    writers = dict.fromkeys(row["writer"] for row in costs)
    for writer in writers:
        yield _write_cost(writer, [row for row in costs if row["writer"] == writer])


def _write_cost(writer: str, rows: Sequence[Record]) -> WriteCost:
    turns = sum(row["turns"] for row in rows)
    per_1000 = {
        name: 1_000 * sum(row[name] for row in rows) / max(1, turns)
        for name in ("calls", "tokens", "seconds")
    }
    events: dict[str, int] = defaultdict(int)
    for row in rows:
        for event in row["events"]:
            events[event] += 1
    failed = sum(row["turns"] for row in rows if row["error"])
    return WriteCost(writer, turns, **per_1000, events=dict(events), failed=failed)


# ----------------------------------------------------------------------------- what learning costs


@dataclass(frozen=True, slots=True)
class NightCost:
    """Of all homes whose night ended in one ``state``: how many they are, means of each home's
    memories, lessons, steps and seconds, seconds per 1,000 of the user's turns, and how much of
    the gap to the notes was closed, which none says that did not come to that check."""

    state: str
    homes: int
    memories: float
    lessons: float
    steps: float
    seconds: float
    seconds_per_1000: float
    gap_closed: float | None


def last_nights(rows: Iterable[Record]) -> list[Record]:
    """A home that had several is what the last one made of it."""
    return list({(row["conversation"], row["speaker"]): row for row in rows}.values())


def night_costs(nights: Sequence[Record]) -> Iterator[NightCost]:
    """One a state, in the order in which they came."""
    for state in dict.fromkeys(row["state"] for row in nights):
        yield _night_cost(state, [row for row in nights if row["state"] == state])


def _night_cost(state: str, rows: Sequence[Record]) -> NightCost:
    seconds = sum(sum(row["seconds"].values()) for row in rows)
    checks = [check for row in rows for check in row["checks"] if check["name"] == "gap closed"]
    return NightCost(
        state,
        len(rows),
        memories=plain_mean(rows, lambda row: row["memories"]),
        lessons=plain_mean(rows, lambda row: row["lessons"]),
        steps=plain_mean(rows, lambda row: row["steps"]),
        seconds=seconds / len(rows),
        seconds_per_1000=1_000 * seconds / max(1, sum(row["turns"] for row in rows)),
        gap_closed=plain_mean(checks, lambda check: check["value"]) if checks else None,
    )


def categories_in(rows: Iterable[Record]) -> list[int]:
    found = {row["category"] for row in rows}
    return [category for category in CATEGORIES if category in found]
