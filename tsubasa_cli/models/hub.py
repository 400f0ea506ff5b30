"""Talks to the model hub through its own client: lists repositories, opens ranged downloads.

huggingface-hub 2 gives each of its downloads a temporary name of its own and deletes it when the
process ends, so a large file would start over after every interruption. Tsubasa therefore takes
listing, addresses, authentication and the HTTP session from the client, and does the ranged GET
itself (``models.pull``). Its Xet transfer is switched off, since it bypasses ranges.
"""

from __future__ import annotations

import os
import re
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from json import JSONDecodeError
from typing import TYPE_CHECKING, Any, TypeVar
from urllib.parse import urlsplit

from tsubasa_cli.errors import ConfigError, DownloadError

if TYPE_CHECKING:
    from types import ModuleType

Answer = TypeVar("Answer")

TIMEOUT_SECONDS = 20.0
MAX_LISTED = 12
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True, slots=True)
class HubFile:
    """One file of a repository; ``sha256`` is None for files that are not in LFS."""

    name: str
    size: int
    sha256: str | None


@dataclass(frozen=True, slots=True)
class Repository:
    """A repository as it was at ``commit``."""

    name: str
    commit: str
    files: tuple[HubFile, ...]


class HubTroubleError(Exception):
    """The hub did not answer, broke off, or has trouble of its own: trying again may work."""

    def __init__(self, why: str, answered: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.answered = answered

    def final(self, endpoint: str) -> DownloadError:
        """What to tell when trying again did not help."""
        if self.answered:
            return DownloadError(
                f"The model hub at {endpoint} has trouble of its own.",
                why=self.why,
                next_step="Try again in a while: it goes on where it stopped.",
            )
        return DownloadError(
            f"Cannot reach the model hub at {endpoint}.",
            why=self.why,
            next_step="Check the network (and HTTPS_PROXY, HF_ENDPOINT), then try again: it goes "
            "on where it stopped.",
        )


class Hub:
    """One hub, at ``endpoint`` (empty: the client's default, or HF_ENDPOINT)."""

    def __init__(self, endpoint: str = "") -> None:
        self._client = _client_library()
        self.endpoint = _checked_address(endpoint or self._client.constants.ENDPOINT)

    def asked_twice(self, ask: Callable[[], Answer], pause_seconds: float) -> Answer:
        """What ``ask`` comes to, once more after a pause if the hub had trouble; ``DownloadError``
        when it has trouble again."""
        try:
            return ask()
        except HubTroubleError:
            time.sleep(pause_seconds)
        try:
            return ask()
        except HubTroubleError as error:
            raise error.final(self.endpoint) from error

    def list_files(self, repo: str) -> Repository:
        """The files of ``repo`` with sizes and checksums. Raises ``DownloadError``."""
        with self._explained(repo):
            try:
                info = self._client.HfApi(endpoint=self.endpoint).model_info(
                    repo, files_metadata=True, timeout=TIMEOUT_SECONDS
                )
            except (JSONDecodeError, TypeError, KeyError, AttributeError) as error:
                raise DownloadError(
                    f"{self.endpoint} does not answer like a model hub.",
                    why="Something else answers there, such as a sign-in page.",
                    next_step="Check models.endpoint and HF_ENDPOINT, and the network.",
                ) from error
        files = tuple(
            HubFile(each.rfilename, each.size or 0, each.lfs.sha256 if each.lfs else None)
            for each in info.siblings or ()
            if each.rfilename.isprintable()
        )
        return Repository(repo, info.sha or "main", files)

    def completed(self, repo: Repository, file: HubFile) -> HubFile:
        """``file`` with the size and checksum that the listing may have left out."""
        if file.size and file.sha256:
            return file
        with self._explained(repo.name, file.name):
            head = self._client.get_hf_file_metadata(
                self._url(repo, file), timeout=TIMEOUT_SECONDS, endpoint=self.endpoint
            )
        digest = head.etag if head.etag and _SHA256.fullmatch(head.etag) else None
        return HubFile(file.name, head.size or file.size, file.sha256 or digest)

    def _url(self, repo: Repository, file: HubFile) -> str:
        url = self._client.hf_hub_url(
            repo.name, file.name, revision=repo.commit, endpoint=self.endpoint
        )
        return str(url)

    @contextmanager
    def open(self, repo: Repository, file: HubFile, start: int) -> Iterator[tuple[int, Any]]:
        """The bytes of ``file`` from ``start`` on, as (where they really begin, chunks).

        Raises ``DownloadError`` for answers that trying again does not change, and
        ``HubTroubleError`` for a connection that failed.
        """
        utils = self._client.utils
        # Identity, lest a proxy compresses the body and its ranges mean something else.
        headers = {**utils.build_hf_headers(), "Accept-Encoding": "identity"}
        if start:
            headers["Range"] = f"bytes={start}-"
        with (
            self._explained(repo.name, file.name),
            utils.get_session().stream(
                "GET", self._url(repo, file), headers=headers, timeout=TIMEOUT_SECONDS
            ) as answer,
        ):
            if answer.status_code >= 400:
                answer.read()
            utils.hf_raise_for_status(answer)
            yield _first_byte(answer.status_code, answer.headers, start), answer.iter_bytes()

    @contextmanager
    def _explained(self, repo: str, file: str = "") -> Iterator[None]:
        """Turns what the client raises into errors that say what to do."""
        errors = self._client.errors
        try:
            yield
        except errors.HfHubHTTPError as error:
            raise _refusal(error, errors, self.endpoint, repo, file) from error
        except errors.HFValidationError as error:
            raise DownloadError(
                f"“{repo}” is not the name of a repository.",
                why=str(error).splitlines()[0],
                next_step="Give it as OWNER/REPO, optionally with :QUANT.",
            ) from error
        except errors.OfflineModeIsEnabled as error:
            raise DownloadError(
                "The hub client is switched to offline.",
                next_step="Unset HF_HUB_OFFLINE and try again.",
            ) from error
        except ImportError as error:
            raise DownloadError(
                "The proxy that is set needs a package that is not installed.",
                why=str(error),
                next_step="Install it (pip install socksio), or unset ALL_PROXY.",
            ) from error
        # httpx's own base class, whichever generation of httpx the client was built on.
        except errors.HTTPError as error:
            raise HubTroubleError(_transport_words(error, self.endpoint)) from error


def _client_library() -> ModuleType:
    # Both are read once, when the client is imported.
    os.environ["HF_HUB_DISABLE_XET"] = "1"
    os.environ["HF_HUB_DISABLE_TELEMETRY"] = "1"
    import huggingface_hub
    import huggingface_hub.constants
    import huggingface_hub.errors
    import huggingface_hub.utils

    return huggingface_hub


def _checked_address(endpoint: str) -> str:
    """``endpoint`` without its last slash; ``ConfigError`` when it is no address."""
    try:
        parts = urlsplit(endpoint)
        sound = parts.scheme in ("http", "https") and parts.hostname and parts.port != 0
    except ValueError:
        sound = False
    if not sound:
        raise ConfigError(
            f"“{endpoint}” is not the address of a model hub.",
            why="It must begin with https:// (or http://) and name a host.",
            next_step="Correct it: tsubasa config set models.endpoint ADDRESS, or HF_ENDPOINT.",
        )
    return endpoint.rstrip("/")


def _first_byte(status: int, headers: Any, asked: int) -> int:
    """Where the answer begins: a server may ignore a range and send everything."""
    if status != 206:
        return 0
    unit = str(headers.get("Content-Range", "")).removeprefix("bytes ").split("-")[0]
    return int(unit) if unit.isdigit() else asked


def _refusal(error: Any, errors: Any, endpoint: str, repo: str, file: str) -> Exception:
    status = error.response.status_code
    what = f"{repo}/{file}" if file else repo
    if isinstance(error, errors.GatedRepoError) or status in (401, 403):
        return _not_allowed(what, repo, status, endpoint)
    if status == 404 and file and not isinstance(error, errors.RepositoryNotFoundError):
        return DownloadError(
            f"There is no file {file} in {repo}.", next_step="See which it has: give only the repo."
        )
    if status == 404:
        return DownloadError(
            f"There is no repository {repo} on {endpoint}.",
            why="Or it is private, and hidden without the right token.",
            next_step="Check the spelling, or set HF_TOKEN if it is yours.",
        )
    if status == 429:
        return HubTroubleError("It asks to slow down (429).", answered=True)
    if status >= 500:
        return HubTroubleError(f"It answered {status}.", answered=True)
    return DownloadError(
        f"The hub refused {what}.", why=f"It answered {status}.", next_step="Try again later."
    )


def _not_allowed(what: str, repo: str, status: int, endpoint: str) -> DownloadError:
    if os.environ.get("HF_TOKEN"):
        step = f"Ask for access at {endpoint}/{repo}, or check that HF_TOKEN is valid."
    else:
        step = f"Accept its terms at {endpoint}/{repo}, then set HF_TOKEN to your access token."
    return DownloadError(
        f"{what} is gated or private, or does not exist.",
        why=f"The hub answered {status} (not allowed).",
        next_step=step,
    )


def _transport_words(error: BaseException, endpoint: str) -> str:
    kind = type(error).__name__
    if "Timeout" in kind:
        return f"No answer within {TIMEOUT_SECONDS:.0f} seconds."
    if "Proxy" in kind:
        return f"The proxy failed: {error}."
    text = str(error)
    if "Name or service not known" in text or "nodename nor servname" in text:
        return f"The name of {endpoint} cannot be resolved: is there a network?"
    if "refused" in text:
        return "The connection was refused."
    return f"The connection broke ({text or kind})."
