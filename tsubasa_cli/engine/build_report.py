"""Prints what this llama.cpp is, as JSON; run by ``build_info`` in a process of its own."""

from __future__ import annotations

import json
import os

import llama_cpp
import llama_cpp.llama_cpp as llama

from tsubasa_cli.engine.threads import default_threads


def report() -> dict[str, object]:
    """The fields of ``build_info.BuildInfo``."""
    return {
        "version": llama_cpp.__version__,
        "native_version": llama.llama_version().decode("utf-8", "replace"),
        "system_info": llama.llama_print_system_info().decode("utf-8", "replace").strip(" |"),
        "supports_gpu": bool(llama.llama_supports_gpu_offload()),
        "supports_mmap": bool(llama.llama_supports_mmap()),
        "threads": default_threads(),
    }


def main() -> None:
    """Keep standard output for the report: backends print while they start."""
    output = os.dup(1)
    os.dup2(2, 1)
    llama.llama_backend_init()
    os.write(output, json.dumps(report()).encode())


if __name__ == "__main__":
    main()
