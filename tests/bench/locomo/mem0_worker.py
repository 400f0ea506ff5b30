"""Mem0 in a process of its own. Runs in a Python with ``mem0ai`` and ``chromadb``, nothing of ours.

    mem0_worker.py FOLDER PORT DIMENSIONS

One JSON request a line on stdin, one JSON reply a line on stdout; the rest goes to stderr.
"""

from __future__ import annotations

import json
import os
import sys
from typing import Any

FOLDER, PORT, DIMENSIONS = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
BASE = f"http://127.0.0.1:{PORT}/v1"
CONFIG: dict[str, Any] = {
    "llm": {
        "provider": "openai",
        "config": {"model": "local", "api_key": "none", "openai_base_url": BASE},
    },
    "embedder": {
        "provider": "openai",
        "config": {
            "model": "local",
            "api_key": "none",
            "openai_base_url": BASE,
            "embedding_dims": DIMENSIONS,
        },
    },
    "vector_store": {
        "provider": "chroma",
        "config": {"collection_name": "locomo", "path": f"{FOLDER}/chroma"},
    },
    "history_db_path": f"{FOLDER}/history.db",
}


def main() -> None:
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    from mem0 import Memory

    memory = Memory.from_config(CONFIG)
    for line in sys.stdin:
        try:
            reply = answered(memory, json.loads(line))
        except Exception as error:
            reply = {"error": f"{type(error).__name__}: {error}"[:500]}
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


def answered(memory: Any, request: dict[str, Any]) -> dict[str, Any]:
    """``add`` a session or ``search`` for a question, with the package's defaults."""
    if request["op"] == "add":
        result = memory.add(
            request["messages"], user_id=request["user"], metadata={"said_on": request["date"]}
        )
        return {"events": [item["event"] for item in result["results"]]}
    result = memory.search(
        request["query"], filters={"user_id": request["user"]}, top_k=request["k"]
    )
    return {
        "memories": [
            {"memory": item["memory"], "date": (item.get("metadata") or {}).get("said_on", "")}
            for item in result["results"]
        ]
    }


if __name__ == "__main__":
    main()
