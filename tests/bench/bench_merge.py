"""What it costs to get a change into a file, and what is left of it there.

    python tests/bench/bench_merge.py [MODEL.gguf] [--threads N] [--to assets/bench]

Every route runs in a process of its own, which reports its time (imports excluded) and its peak
memory (imports included). The ordinary road is the one that guides describe: peft merges into the
model, the model is saved, converted to GGUF in F16, and quantized by llama.cpp to the mix that the
file has. A master is not at hand for every file, so one is made: each weight is moved to a random
place in its cell of the grid, where a published weight would lie. The error of a file is its
distance from the weights that the route began with and the change, over their norm.
"""

from __future__ import annotations

import argparse
import math
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch
from bench_page import command_line, origin, put_section, starter_model, table
from bench_process import figures_of, measured

RELATIVE = 0.003
"""‖ΔW‖/‖W‖ of an ordinary night."""
CPU = torch.device("cpu")


def prepare(model: Path, work: Path) -> None:
    """A master as a folder, a change of it as a peft adapter and as a GGUF."""
    from peft import LoraConfig, get_peft_model

    from tsubasa_cli.learn.weights.adapter import write_adapter
    from tsubasa_cli.learn.weights.deltas import deltas_of
    from tsubasa_cli.learn.weights.load import load_model

    torch.manual_seed(1)
    loaded: Any = load_model(model, torch.float32, CPU)
    _leave_the_grid(loaded, model)
    loaded.to(torch.bfloat16).save_pretrained(work / "master")
    config = LoraConfig(r=16, lora_alpha=32, target_modules="all-linear")
    adapted = get_peft_model(loaded.float(), config)
    for module in adapted.modules():
        if hasattr(module, "lora_A"):
            _strengthen(module)
    adapted.save_pretrained(work / "peft")
    write_adapter(model, deltas_of(adapted), work / "adapter.gguf")


@torch.no_grad()
def _leave_the_grid(loaded: Any, model: Path) -> None:
    from tsubasa_cli.learn.weights.codecs import CODECS
    from tsubasa_cli.learn.weights.names import RowOrder, gguf_name
    from tsubasa_cli.learn.weights.tensor_file import TensorFile, n_rows

    with TensorFile(model) as file:
        order = RowOrder.of_file(file.header)
        for name, weight in loaded.named_parameters():
            tensor = file.tensors[gguf_name(name)]
            codec = CODECS.get(tensor.type_id)
            if codec is None or "embed" in name:
                continue
            raw = file.raw_rows(tensor, 0, n_rows(tensor)).view(-1, codec.block_bytes)
            grid = codec.grid(raw)
            moved = (torch.rand_like(grid.codes) - 0.5) * grid.step
            weight += order.to_hf(tensor.name, moved.reshape(weight.shape))


@torch.no_grad()
def _strengthen(layer: Any) -> None:
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    b.normal_()
    size = float(((b.T @ b) * (a @ a.T)).sum().sqrt()) * layer.scaling["default"]
    b *= RELATIVE * float(layer.weight.norm()) / size


def codes(model: Path, work: Path) -> None:
    from tsubasa_cli.learn.weights.routes import StochasticCodes

    _merge(model, work, "codes", StochasticCodes())


def eight(model: Path, work: Path) -> None:
    from tsubasa_cli.learn.weights.routes import EightBits

    _merge(model, work, "eight", EightBits())


def naive(model: Path, work: Path) -> None:
    from tsubasa_cli.learn.weights.routes import Ordinary
    from tsubasa_cli.learn.weights.tensor_file import TensorFile

    with TensorFile(model) as itself:
        _merge(model, work, "naive", Ordinary(itself))


def master(model: Path, work: Path) -> None:
    from tsubasa_cli.learn.weights.master import open_master
    from tsubasa_cli.learn.weights.routes import Ordinary

    with open_master(work / "master", model) as source:
        _merge(model, work, "master", Ordinary(source))


def unchanged(model: Path, work: Path) -> None:
    """The master without the change: what the master's route is measured against."""
    from tsubasa_cli.learn.weights.adapter import read_adapter
    from tsubasa_cli.learn.weights.master import open_master
    from tsubasa_cli.learn.weights.merge import merge
    from tsubasa_cli.learn.weights.routes import Ordinary

    nothing = [delta.scaled(0) for delta in read_adapter(work / "adapter.gguf")]
    with open_master(work / "master", model) as source:
        merge(model, nothing, work / "unchanged.gguf", Ordinary(source), CPU)


def _merge(model: Path, work: Path, name: str, route: Any) -> None:
    from tsubasa_cli.learn.weights.adapter import read_adapter
    from tsubasa_cli.learn.weights.merge import merge

    with measured():
        merge(model, read_adapter(work / "adapter.gguf"), work / f"{name}.gguf", route, CPU)


def ordinary_merge(_model: Path, work: Path) -> None:
    from peft import PeftModel
    from transformers import AutoModelForCausalLM

    with measured():
        base = AutoModelForCausalLM.from_pretrained(work / "master", dtype=torch.float32)
        merged: Any = PeftModel.from_pretrained(base, work / "peft")
        merged.merge_and_unload().to(torch.float16).save_pretrained(work / "merged")


def ordinary_convert(model: Path, work: Path) -> None:
    """What a conversion does at the least: names, row order, F16; metadata is taken over."""
    import gguf
    from safetensors import safe_open

    from tsubasa_cli.learn.weights.names import RowOrder, gguf_name
    from tsubasa_cli.models.gguf_header import read_header

    with measured():
        order = RowOrder.of_file(read_header(model))
        writer = gguf.GGUFWriter(work / "f16.gguf", read_header(model).text("general.architecture"))
        _take_over(gguf.GGUFReader(model), writer)
        for path in sorted((work / "merged").glob("*.safetensors")):
            with safe_open(path, framework="pt") as file:
                for theirs in file.keys():  # noqa: SIM118 - no mapping
                    name = gguf_name(theirs)
                    weight = order.to_gguf(name, file.get_tensor(theirs))
                    exact = weight.float() if weight.dim() == 1 else weight
                    writer.add_tensor(name, exact.contiguous().numpy())
        writer.write_header_to_file()
        writer.write_kv_data_to_file()
        writer.write_tensors_to_file()
        writer.close()


def _take_over(reader: Any, writer: Any) -> None:
    for field in reader.fields.values():
        if field.name.startswith("GGUF.") or field.name == "general.architecture":
            continue
        kind = field.types[0]
        sub_type = field.types[-1] if len(field.types) > 1 else None
        writer.add_key_value(field.name, field.contents(), kind, sub_type)


def ordinary_quantize(model: Path, work: Path) -> None:
    import llama_cpp.llama_cpp as llama

    from tsubasa_cli.models.gguf_header import read_header

    params = llama.llama_model_quantize_default_params()
    params.ftype = read_header(model).number("general.file_type")
    params.nthread = torch.get_num_threads()
    silent = llama.llama_log_callback(lambda *_: None)
    llama.llama_log_set(silent, None)
    with measured():
        source, target = str(work / "f16.gguf").encode(), str(work / "ordinary.gguf").encode()
        assert llama.llama_model_quantize(source, target, params) == 0


STEPS: dict[str, Callable[[Path, Path], None]] = {
    step.__name__: step
    for step in (
        prepare, codes, eight, master, naive, unchanged,
        ordinary_merge, ordinary_convert, ordinary_quantize,
    )
}  # fmt: skip


def run(step: Callable[[Path, Path], None], model: Path, work: Path, threads: int) -> Any:
    return figures_of(
        __file__, model, "--threads", threads, "--step", step.__name__, "--work", work
    )


def measure(model: Path, work: Path, threads: int) -> str:
    """All routes, as a table and what remains to be said."""
    run(prepare, model, work, threads)
    run(unchanged, model, work, threads)
    rows = [_row(route.__name__, [run(route, model, work, threads)], model, work)
            for route in (codes, eight, naive, master)]  # fmt: skip
    parts = (ordinary_merge, ordinary_convert, ordinary_quantize)
    costs = [run(part, model, work, threads) for part in parts]
    rows.append(_row("ordinary", costs, model, work))
    head = ("route", "seconds", "peak MB", "file MB", "share of the change left, by type", "error")
    steps = ", ".join(
        f"{part.__name__.removeprefix('ordinary_')} {cost['seconds']:.1f} s, {cost['peak_mb']:,.0f}"
        " MB" for part, cost in zip(parts, costs, strict=True)
    )  # fmt: skip
    spent = _size(work / "merged") + _size(work / "f16.gguf")
    return (
        f"{threads} thread(s), ‖ΔW‖/‖W‖ = {RELATIVE}.\n\n{table(head, rows)}\n\n"
        f"The steps of the ordinary road: {steps}; {spent:,.0f} MB of files in between.\n\n"
        f"A file that has forgotten the change altogether has an error of {100 * RELATIVE:.1f} %:"
        " what was learned shows in the share that is left, and the error tells how much noise came"
        " with it. Routes from a file begin with its grid, and have only noise of their own; those"
        " from a master have all that quantization costs."
    )


IN_WORDS = {
    "codes": "ours, from the file alone: scales kept, codes rounded stochastically",
    "eight": "ours, from the file alone: Q8_0",
    "naive": "the file's weights and the change, requantized",
    "master": "ours, from a master",
    "ordinary": "from a master: merge_and_unload, save, convert, quantize",
}


def _row(name: str, costs: list[Any], model: Path, work: Path) -> list[str]:
    from tsubasa_cli.learn.weights.adapter import read_adapter
    from tsubasa_cli.learn.weights.projection import project

    out = work / f"{name}.gguf"
    before = work / "unchanged.gguf" if name in ("master", "ordinary") else model
    projection = project(before, out, read_adapter(work / "adapter.gguf"), CPU)
    seconds, peak = sum(c["seconds"] for c in costs), max(c["peak_mb"] for c in costs)
    by_type = ", ".join(f"{kind} {kept:.2f}" for kind, kept in projection.by_type().items())
    figures = [f"{seconds:.1f}", f"{peak:,.0f}", f"{_size(out):,.0f}"]
    row = [IN_WORDS[name], *figures, by_type, f"{100 * error(name, model, work):.2f} %"]
    print(" | ".join(row), flush=True)
    return row


def error(name: str, model: Path, work: Path) -> float:
    """‖file − (weights + change)‖ / ‖weights + change‖ over all tensors that change."""
    from tsubasa_cli.learn.weights.adapter import read_adapter
    from tsubasa_cli.learn.weights.master import open_master
    from tsubasa_cli.learn.weights.tensor_file import TensorFile, row_chunks

    missed = whole = 0.0
    with (
        TensorFile(model) as base,
        TensorFile(work / f"{name}.gguf") as after,
        open_master(work / "master", model) as original,
    ):
        weights = original if name in ("master", "ordinary") else base
        for delta in read_adapter(work / "adapter.gguf"):
            for start, stop in row_chunks(base.tensors[delta.tensor], CPU):
                exact = weights.rows_of(delta.tensor, start, stop, CPU)
                exact = exact + delta.rows(start, stop, CPU)
                found = after.rows_of(delta.tensor, start, stop, CPU)
                missed += float((found - exact).square().sum())
                whole += float(exact.square().sum())
    return math.sqrt(missed / whole)


def _size(path: Path) -> float:
    files = path.iterdir() if path.is_dir() else [path]
    return sum(file.stat().st_size for file in files) / 1e6


def main(model: Path, threads: int, to: Path | None) -> None:
    with tempfile.TemporaryDirectory() as folder:
        told = measure(model, Path(folder), threads)
    told = f"{origin(command_line(), model)} {told}"
    print(told)
    if to:
        title = "Learning: speed, memory and error"
        put_section(to / "learn-speed.md", title, f"Merging, {model.stem}", told)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", type=Path, nargs="?", default=starter_model())
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--step", choices=list(STEPS))
    parser.add_argument("--work", type=Path)
    parser.add_argument("--to", type=Path, help="the folder whose learn-speed.md gets the table")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.step:
        STEPS[arguments.step](arguments.model, arguments.work)
    else:
        main(arguments.model, arguments.threads, arguments.to)
