"""A model hub on the loopback interface: the part of the hub's protocol that its client speaks.

``GET /api/models/OWNER/REPO?blobs=true`` lists; ``/OWNER/REPO/resolve/COMMIT/FILE`` answers with
the hub's headers and redirects to ``/cdn/…`` on another host, which honours byte ranges. It can
be told to fail in the ways of real ones, and remembers what it was asked and what it gave.
"""

from __future__ import annotations

import hashlib
import json
import threading
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

COMMIT = "0123456789abcdef0123456789abcdef01234567"
BLOCK = 16_384


@dataclass
class Served:
    """One answered request. ``sent`` counts the bytes of the file that went out."""

    method: str
    path: str
    range: str | None
    authorization: str | None
    status: int = 0
    sent: int = 0


@dataclass
class HubServer:
    """What it holds and how it misbehaves; change the fields at any time."""

    url: str = ""
    repos: dict[str, dict[str, bytes]] = field(default_factory=dict)
    log: list[Served] = field(default_factory=list)
    drop_after: deque[int] = field(default_factory=deque)
    """For each next transfer: close the connection after so many bytes."""
    hold_after: int | None = None
    """Stop sending after so many bytes until ``go_on`` is set (or the server closes)."""
    go_on: threading.Event = field(default_factory=threading.Event)
    repo_status: dict[str, tuple[int, str]] = field(default_factory=dict)
    """Repository → (status, X-Error-Code) for its listing."""
    file_status: deque[tuple[int, str]] = field(default_factory=deque)
    """For each next request for a file: (status, X-Error-Code) instead of the file."""
    tamper: bool = False
    """Send other bytes than those whose checksum is announced."""
    ignore_ranges: bool = False
    list_without_lfs: bool = False
    listing: bytes | None = None
    """Sent instead of every listing."""

    @property
    def cdn(self) -> str:
        """The same server by another name: to a client it is another host."""
        return self.url.replace("127.0.0.1", "localhost")

    def transfers(self) -> list[Served]:
        """The requests that moved bytes of files, in order."""
        return [each for each in self.log if each.path.startswith("/cdn/")]

    def checksum(self, repo: str, file: str) -> str:
        return hashlib.sha256(self.repos[repo][file]).hexdigest()


@contextmanager
def serve_hub() -> Iterator[HubServer]:
    """A running hub on a free port; stopped and joined at the end."""
    hub = HubServer()

    class Handler(_Handler):
        server_hub = hub

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    hub.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    try:
        yield hub
    finally:
        hub.go_on.set()
        server.shutdown()
        thread.join()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_hub: HubServer

    def do_GET(self) -> None:
        self._answer(with_body=True)

    def do_HEAD(self) -> None:
        self._answer(with_body=False)

    def log_message(self, format: str, *args: object) -> None:
        pass

    def _answer(self, with_body: bool) -> None:
        path = unquote(urlsplit(self.path).path)
        self._served = Served(
            self.command, path, self.headers["Range"], self.headers["Authorization"]
        )
        self.server_hub.log.append(self._served)
        if path.startswith("/api/models/"):
            self._list(path.removeprefix("/api/models/"))
        elif path.startswith("/cdn/"):
            self._transfer(path.removeprefix("/cdn/"), with_body)
        else:
            self._resolve(path)

    def _list(self, repo: str) -> None:
        hub = self.server_hub
        if hub.listing is not None:
            self._send(200, hub.listing, {"Content-Type": "application/json"})
        elif repo in hub.repo_status:
            self._refuse(*hub.repo_status[repo])
        elif repo not in hub.repos:
            # The real hub answers 401 to strangers, whether the repository is private or absent.
            self._refuse(404, "RepoNotFound")
        else:
            siblings = [self._sibling(*item) for item in hub.repos[repo].items()]
            body = {"id": repo, "modelId": repo, "sha": COMMIT, "siblings": siblings}
            self._send(200, json.dumps(body).encode(), {"Content-Type": "application/json"})

    def _sibling(self, name: str, content: bytes) -> dict[str, object]:
        if self.server_hub.list_without_lfs or not name.endswith((".gguf", ".safetensors")):
            return {"rfilename": name, "size": len(content)}
        digest = hashlib.sha256(content).hexdigest()
        lfs = {"sha256": digest, "size": len(content), "pointerSize": 135}
        return {"rfilename": name, "size": len(content), "blobId": "0" * 40, "lfs": lfs}

    def _resolve(self, path: str) -> None:
        hub = self.server_hub
        owner, repo, _, _, *rest = path.lstrip("/").split("/")
        name, file = f"{owner}/{repo}", "/".join(rest)
        if hub.file_status:
            self._refuse(*hub.file_status.popleft())
        elif file not in hub.repos.get(name, {}):
            self._refuse(404, "EntryNotFound")
        else:
            headers = {
                "Location": f"{hub.cdn}/cdn/{name}/{file}",
                "X-Repo-Commit": COMMIT,
                "X-Linked-Etag": f'"{hub.checksum(name, file)}"',
                "X-Linked-Size": str(len(hub.repos[name][file])),
            }
            self._send(302, b"", headers)

    def _transfer(self, path: str, with_body: bool) -> None:
        hub = self.server_hub
        owner, repo, file = path.split("/", 2)
        content = hub.repos[f"{owner}/{repo}"][file]
        if hub.tamper:
            content = content[:-1] + bytes([content[-1] ^ 1])
        start = 0
        if self._served.range and not hub.ignore_ranges:
            start = int(self._served.range.removeprefix("bytes=").rstrip("-"))
        status = 206 if start else 200
        self._served.status = status
        self.send_response(status)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.send_header("Content-Length", str(len(content) - start))
        self.end_headers()
        if with_body:
            self._pour(content[start:])

    def _pour(self, content: bytes) -> None:
        hub = self.server_hub
        limit = hub.drop_after.popleft() if hub.drop_after else len(content)
        hold, hub.hold_after = hub.hold_after, None
        for at in range(0, len(content), BLOCK):
            if hold is not None and at >= hold:
                hub.go_on.wait(60)
                hold = None
            block = content[at : min(at + BLOCK, limit)]
            try:
                self.wfile.write(block)
            except OSError:
                break
            self._served.sent += len(block)
            if at + BLOCK >= limit < len(content):
                break
        if limit < len(content):
            self.close_connection = True

    def _refuse(self, status: int, code: str) -> None:
        self._send(status, b"{}", {"X-Error-Code": code} if code else {})

    def _send(self, status: int, body: bytes, headers: dict[str, str]) -> None:
        self._served.status = status
        self.send_response(status)
        for key, value in headers.items():
            self.send_header(key, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)
