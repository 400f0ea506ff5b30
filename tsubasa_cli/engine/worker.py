"""The engine process: ``python -m tsubasa_cli.engine.worker``.

Requests come on standard input, events go to what was standard output: whatever llama.cpp
prints goes to standard error, which is the engine's log.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import llama_cpp.llama_cpp as llama
from jinja2 import TemplateError

from tsubasa_cli.engine.desk import Desk
from tsubasa_cli.engine.embedding import Embedder
from tsubasa_cli.engine.inbox import Inbox
from tsubasa_cli.engine.native import NativeError, NativeModel, gpu_layers
from tsubasa_cli.engine.native_context import ContextShape, GivenUpError, NativeContext
from tsubasa_cli.engine.native_log import NativeLog
from tsubasa_cli.engine.process import log_crashes, settle_in
from tsubasa_cli.engine.prompt import PromptMaker
from tsubasa_cli.engine.protocol import (
    Complete,
    CompleteAll,
    Count,
    Counted,
    Embed,
    Encode,
    Event,
    Failed,
    Generate,
    Load,
    Loaded,
    LoadProgress,
    Message,
    Probing,
    Request,
    RestoreState,
    SaveState,
    Score,
    StateMoved,
    Totals,
    TotalsReport,
    Warm,
    Warmed,
    Weigh,
)
from tsubasa_cli.engine.reply import RESERVE, Machine, PromptTooLongError, Reply
from tsubasa_cli.engine.state_file import StateOwner, load_state, save_state
from tsubasa_cli.engine.threads import default_threads
from tsubasa_cli.engine.window import Window
from tsubasa_cli.engine.wire import encode

PROBE_TOKENS = 64
"""Large enough for the matrix kernels that crash on some CPUs; one token takes other kernels."""

PROGRESS_STEP = 0.01
NO_EMBEDDINGS = "The model that is loaded gives no embeddings."


class Worker:
    """Does one request after the other; in between, settles the last reply."""

    def __init__(self, inbox: Inbox, output: int, log: NativeLog) -> None:
        self._inbox = inbox
        self._output = output
        self._log = log
        self._model: NativeModel | None = None
        self._machine: Machine | None = None
        self._desk: Desk | None = None
        self._embedder: Embedder | None = None
        self._owner: StateOwner | None = None
        self._settling: list[int] | None = None
        self._after_settling: list[Totals] = []
        self._handlers: dict[type[Request], Callable[..., None]] = {
            Load: self._load,
            Generate: self._generate,
            Warm: self._warm,
            Count: self._count,
            SaveState: self._save,
            RestoreState: self._restore,
            Totals: self._totals,
            Score: self._work,
            Complete: self._work,
            CompleteAll: self._work,
            Encode: self._work,
            Weigh: self._work,
            Embed: self._embed,
        }

    def run(self) -> None:
        """Serve until the process ends."""
        while True:
            if self._settling is not None and not self._inbox.chat_waiting:
                self._settle()
            else:
                self._serve_next()
            if self._settling is None:
                self._answer_after_settling()

    def _serve_next(self) -> None:
        request = self._inbox.take(self._desk.idle_seconds if self._desk is not None else None)
        if request is not None:
            self._serve(request)
        elif self._desk is not None:
            self._desk.rest()

    def emit(self, event: Event) -> None:
        """Send ``event``; without a reader there is nothing left to live for."""
        data = memoryview(encode(event))
        try:
            while data:
                data = data[os.write(self._output, data) :]
        except BrokenPipeError:
            os._exit(0)

    def _serve(self, request: Request) -> None:
        try:
            self._handlers[type(request)](request)
        except NativeError as error:
            self._fail(request, error.code, "llama.cpp could not do that.", error.why)
            self._start_over()
        except PromptTooLongError as error:
            details = {"needed": error.needed, "available": error.available}
            self.emit(Failed(request.id, "overflow", "The prompt is too long.", details=details))
        except TemplateError as error:
            self._log.failure(error)
            self._fail(request, "template", "The model's chat template refused the messages.")
        finally:
            self._inbox.forget(request)

    def _fail(self, request: Request, code: str, what: str, why: str = "") -> None:
        self.emit(Failed(request.id, code, what, why))

    def _start_over(self) -> None:
        """After llama.cpp refused, what is in its cache is anyone's guess."""
        self._settling = None
        if self._machine is not None:
            self._machine.window.clear()

    @property
    def _ready(self) -> Machine:
        if self._machine is None:
            raise _unsuitable(self._embedder)
        return self._machine

    # ------------------------------------------------------------- loading

    def _load(self, request: Load) -> None:
        self._unload()
        path = Path(request.model.path)
        if not path.is_file():
            self._fail(request, "missing", f"{path.name} is not there.", "The file is missing.")
            return
        try:
            self._open(request)
        except NativeError as error:
            what = f"llama.cpp cannot load {path.name}."
            details = {"gpu_layers": gpu_layers(request.model)}
            self.emit(Failed(request.id, error.code, what, error.why, details=details))

    def _unload(self) -> None:
        if self._desk is not None:
            self._desk.rest()
        if self._model is not None:
            for user in (self._machine, self._embedder):
                if user is not None:
                    user.context.close()
            self._model.close()
        self._model = self._machine = self._desk = self._embedder = None

    def _open(self, request: Load) -> None:
        spec = request.model
        n_threads = spec.n_threads or default_threads()
        self._model = NativeModel(spec, n_threads, self._log, self._progress(request))
        self._settling = None
        if spec.embedding:
            self._open_for_embedding(request, self._model)
        else:
            self._open_for_chat(request, self._model)

    def _open_for_chat(self, request: Load, model: NativeModel) -> None:
        context = NativeContext(model, ContextShape(request.model.n_ctx or model.n_ctx_train))
        if request.probe:
            self.emit(Probing(request.id))
            tokens = _probe_tokens(model)
            context.decode(tokens[: context.n_ctx], 0, 1)
            context.clear()
        window, maker = Window(context), PromptMaker(model)
        self._machine = Machine(model, maker, window, self._inbox, self.emit, self._serve_light)
        self._desk = Desk(self._machine, self._serve_chat)
        self._owner = StateOwner.of(context, llama.llama_version().decode())
        self._inbox.evaluated = lambda: window.evaluated
        self.emit(_loaded(request, context, maker))

    def _open_for_embedding(self, request: Load, model: NativeModel) -> None:
        self._embedder = Embedder(model, request.model.n_ctx)
        if request.probe:
            self.emit(Probing(request.id))
            self._embedder.context.decode_whole([_probe_tokens(model)[: self._embedder.window]])
        self.emit(_loaded(request, self._embedder.context))

    def _progress(self, request: Load) -> Callable[[float], None]:
        reported = -1.0

        def report(fraction: float) -> None:
            nonlocal reported
            if fraction - reported >= PROGRESS_STEP or fraction >= 1.0 > reported:
                reported = fraction
                self.emit(LoadProgress(request.id, round(fraction, 3)))

        return report

    # ------------------------------------------------------------- replies and warming

    def _generate(self, request: Generate) -> None:
        self._settling = None
        machine = self._ready
        done = Reply(machine, request).run()
        self.emit(done)
        if request.settle and done.stats.generated:
            reply = Message("assistant", done.text)
            target = machine.maker.history((*request.messages, reply), request.thinking)
            self._settling = target if len(target) <= machine.context.n_ctx else None

    def _warm(self, request: Warm) -> None:
        self._settling = None
        machine = self._ready
        window, target = machine.window, machine.maker.history(request.messages)
        before = window.prefilled
        if target and len(target) <= machine.context.n_ctx - RESERVE:
            window.keep_prefix(target)
            while len(window.tokens) < len(target) and not self._is_superseded(request):
                window.prefill(target, with_logits=False)
                self._serve_light()
        self.emit(Warmed(request.id, len(window.tokens), window.prefilled - before))

    def _is_superseded(self, request: Warm) -> bool:
        return self._inbox.cancelled(request) or self._inbox.generate_waiting

    def _settle(self) -> None:
        """One slice of re-evaluating the last reply as history renders it."""
        window, target = self._ready.window, self._settling or []
        try:
            window.keep_prefix(target)
            if len(window.tokens) < len(target):
                window.prefill(target, with_logits=False)
        except NativeError as error:
            self._log.failure(error)
            self._start_over()
        if len(window.tokens) >= len(target):
            self._settling = None

    def _answer_after_settling(self) -> None:
        waiting, self._after_settling = self._after_settling, []
        for request in waiting:
            self._report_totals(request)

    # ------------------------------------------------------------- memory work

    def _work(self, request: Score | Complete | CompleteAll | Encode | Weigh) -> None:
        if self._desk is None:
            raise _unsuitable(self._embedder)
        self.emit(self._desk.do(request))

    def _embed(self, request: Embed) -> None:
        if self._embedder is None:
            self._fail(request, "unsuitable", NO_EMBEDDINGS)
            return
        try:
            self.emit(self._embedder.run(request, partial(self._stop_if_unwanted, request)))
        except GivenUpError:
            self._fail(request, "preempted", "The texts are not wanted any more.")

    def _stop_if_unwanted(self, request: Request) -> None:
        if self._inbox.cancelled(request):
            raise GivenUpError

    # ------------------------------------------------------------- small requests

    def _serve_light(self) -> None:
        """What needs no computing is answered while a reply is made."""
        if self._inbox.chat_waiting:
            for request in self._inbox.take_where(Count):
                self._serve(request)

    def _serve_chat(self) -> None:
        """While memory work is done, all but a reply is answered at once; that must not wait until
        the work has found its way back here either."""
        if not self._inbox.generate_waiting:
            for request in self._inbox.take_where(Count, Warm, SaveState, RestoreState, Totals):
                self._serve(request)

    def _count(self, request: Count) -> None:
        maker = self._ready.maker
        prompt = len(maker.generation(request.messages, request.thinking))
        texts = tuple(len(maker.text_tokens(message.text)) for message in request.messages)
        self.emit(Counted(request.id, prompt, texts))

    def _totals(self, request: Totals) -> None:
        if request.after_settling and self._settling is not None:
            self._after_settling.append(request)
        else:
            self._report_totals(request)

    def _report_totals(self, request: Totals) -> None:
        window = self._ready.window
        worked = self._desk.evaluated if self._desk is not None else 0
        report = (window.prefilled, window.decoded, len(window.tokens), worked)
        self.emit(TotalsReport(request.id, *report))

    # ------------------------------------------------------------- state

    def _save(self, request: SaveState) -> None:
        machine = self._ready
        tokens = machine.window.tokens
        if not tokens or self._owner is None:
            self.emit(StateMoved(request.id, 0, 0))
            return
        try:
            size = save_state(machine.context, self._owner, tokens, Path(request.path))
        except OSError as error:
            self._fail(request, "state", "The KV state was not saved.", error.strerror or "")
            return
        self.emit(StateMoved(request.id, len(tokens), size))

    def _restore(self, request: RestoreState) -> None:
        machine, path = self._ready, Path(request.path)
        self._settling = None
        machine.window.clear()
        tokens = load_state(machine.context, self._owner, path) if self._owner else []
        machine.window.tokens.extend(tokens)
        size = path.stat().st_size if tokens else 0
        self.emit(StateMoved(request.id, len(tokens), size))


def _unsuitable(embedder: Embedder | None) -> NativeError:
    why = "No model is loaded." if embedder is None else "The model gives embeddings only."
    return NativeError("unsuitable", why)


def _probe_tokens(model: NativeModel) -> list[int]:
    """A real batch: on some CPUs it is where a build of llama.cpp dies."""
    words = model.tokenize("The quick brown fox jumps over the lazy dog. ", False) or [0]
    return (words * PROBE_TOKENS)[:PROBE_TOKENS]


def _loaded(request: Load, context: NativeContext, maker: PromptMaker | None = None) -> Loaded:
    """Without ``maker``, of a model for embedding."""
    model = context.model
    return Loaded(
        request.id,
        name=model.path.stem,
        architecture=model.architecture,
        family=maker.family if maker is not None else "",
        n_ctx=context.n_ctx,
        n_ctx_train=model.n_ctx_train,
        n_params=model.n_params,
        size_bytes=model.size_bytes,
        thinks=maker is not None and maker.template.thinks,
        gpu_layers=model.gpu_layers,
        n_threads=model.n_threads,
        system_info=llama.llama_print_system_info().decode("utf-8", "replace").strip(" |"),
        kv_bytes_per_token=model.kv_bytes_per_token(),
        n_embd=model.n_embd,
    )


def main() -> None:
    """Run the engine on this process's standard input and output."""
    output = settle_in()
    log = NativeLog()
    log_crashes(log)
    inbox = Inbox(sys.stdin.buffer)
    worker = Worker(inbox, output, log)
    inbox.start()
    worker.run()


if __name__ == "__main__":
    main()
