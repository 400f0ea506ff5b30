"""The report's plots: quality against cost, from the records."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

import locomo_tables as tables
from locomo_plots import Dot, curve
from locomo_systems import IN_WORDS, parts_of


def plots(results: tables.Results) -> dict[str, str]:
    """SVGs by the end of their names. That of the evidence is made of the sweep over ``k`` where
    there is one."""
    whole = _whole(results.answers)
    swept = results.contexts or whole
    answered = _families(whole, tables.locomo)
    found = _families(swept, tables.evidence)
    names = list(IN_WORDS)
    return {
        "f1": curve(
            "LoCoMo F1, answerable questions", "F1", answered, _note(results, whole), names
        ),
        "evidence": curve(
            "Evidence in the context", "evidence recall", found, _note(results, swept), names
        ),
    }


def _whole(answers: Mapping[str, Sequence[tables.Record]]) -> dict[str, Sequence[tables.Record]]:
    """Those systems that have answered as many questions as any: half a run is no dot."""
    most = max(map(len, answers.values()), default=0)
    return {name: rows for name, rows in answers.items() if len(rows) == most}


def _note(results: tables.Results, drawn: Mapping[str, Sequence[tables.Record]]) -> str:
    asked = {
        (row["conversation"], row["question"])
        for rows in drawn.values()
        for row in tables.answerable(rows)
    }
    return f"{results.model}, {len(asked)} questions, 95 % intervals; at the dots: k"


def _families(
    drawn: Mapping[str, Sequence[tables.Record]], value: tables.Value
) -> dict[str, list[Dot]]:
    families: dict[str, list[Dot]] = defaultdict(list)
    for system, rows in drawn.items():
        name, k = parts_of(system)
        kept = tables.answerable(rows)
        found = tables.mean(kept, value)
        if found.count:
            tokens = tables.plain_mean(kept, tables.context_tokens)
            label = str(k) if k else name
            families[name].append(Dot(label, tokens, found.mean, found.low, found.high))
    return {name: families[name] for name in IN_WORDS if name in families}
