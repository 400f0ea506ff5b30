"""A llama.cpp that misbehaves, for children only: a ``sitecustomize`` on their import path.

The machine that runs the tests may lack the CPU whose kernels crash, so the crash itself (a real
SIGSEGV of a real child) is put where such machines have it: in the first batch of more than one
token of a model that was loaded with repacked buffers.
"""

from __future__ import annotations

import os
from pathlib import Path

import pytest

PREAMBLE = """
import os, signal
import llama_cpp, llama_cpp.llama_cpp as low

def replace(name, function):
    setattr(low, name, function)
    setattr(llama_cpp, name, function)

def crash():
    os.kill(os.getpid(), signal.SIGSEGV)
"""

CRASHES_WITH_REPACKED_BUFFERS = """
load, decode, repacked = low.llama_model_load_from_file, low.llama_decode, [False]

def loading(path, params):
    repacked[0] = params.use_extra_bufts
    return load(path, params)

def decoding(context, batch):
    if repacked[0] and batch.n_tokens > 1:
        crash()
    return decode(context, batch)

replace("llama_model_load_from_file", loading)
replace("llama_decode", decoding)
"""

CRASHES_UNLESS_ON_CPU = """
load = low.llama_model_load_from_file

def loading(path, params):
    if params.n_gpu_layers != 0 or params.use_extra_bufts:
        crash()
    return load(path, params)

replace("llama_model_load_from_file", loading)
replace("llama_supports_gpu_offload", lambda: True)
"""

ALWAYS_CRASHES = """
replace("llama_model_load_from_file", lambda path, params: crash())
"""

NO_GPU_MEMORY = """
load = low.llama_model_load_from_file

def loading(path, params):
    if params.n_gpu_layers != 0:
        low.llama_log_set.shout(b"ggml_backend_alloc: failed to allocate 9000 MiB on device\\n")
        return None
    return load(path, params)

class LogSet:
    def __call__(self, callback, data):
        self.callback = callback
    def shout(self, text):
        self.callback(4, text, None)

replace("llama_log_set", LogSet())
replace("llama_model_load_from_file", loading)
replace("llama_supports_gpu_offload", lambda: True)
"""

SLOW_TO_LOAD = """
import time
load = low.llama_model_load_from_file

def loading(path, params):
    time.sleep(600)
    return load(path, params)

replace("llama_model_load_from_file", loading)
"""

NO_ROOM_FOR_A_SECOND_CONTEXT = """
init, contexts = low.llama_init_from_model, []

def initialising(model, params):
    if contexts:
        low.llama_log_set.shout(b"ggml_backend_cpu_buffer: failed to allocate 900 MiB\\n")
        return None
    contexts.append(init(model, params))
    return contexts[0]

class LogSet:
    def __call__(self, callback, data):
        self.callback = callback
    def shout(self, text):
        self.callback(4, text, None)

replace("llama_log_set", LogSet())
replace("llama_init_from_model", initialising)
"""

REFUSES_A_SECOND_CONTEXTS_FIRST_BATCH = """
decode, contexts, refused = low.llama_decode, [], []

def decoding(context, batch):
    if context not in contexts:
        contexts.append(context)
    if len(contexts) == 2 and not refused:
        refused.append(True)
        return 1
    return decode(context, batch)

replace("llama_decode", decoding)
"""

RESTS_SOON = """
import tsubasa_cli.engine.desk
tsubasa_cli.engine.desk.IDLE_SECONDS = 0.3
"""

NOT_INSTALLED = """
import sys
for name in [name for name in sys.modules if name.startswith("llama_cpp")]:
    del sys.modules[name]
sys.modules["llama_cpp"] = None
"""


def misbehave(monkeypatch: pytest.MonkeyPatch, folder: Path, fault: str) -> None:
    """Let every child started from here on run ``fault`` before anything else."""
    folder.mkdir(exist_ok=True)
    (folder / "sitecustomize.py").write_text(PREAMBLE + fault)
    existing = os.environ.get("PYTHONPATH")
    paths = [str(folder), *([existing] if existing else [])]
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(paths))


def behave(folder: Path) -> None:
    """Let children be as they are again."""
    (folder / "sitecustomize.py").unlink()
