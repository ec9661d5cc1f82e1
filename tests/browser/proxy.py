"""A small reverse proxy: /studio/… goes to the app as /…, and /frame shows that in a frame."""

from __future__ import annotations

import http.client
import threading
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit

PREFIX = "/studio"
FRAME = f"""<!doctype html><title>Elsewhere</title><h1>Somebody's page</h1>
<iframe src="{PREFIX}/" title="Studio" style="width: 100%; height: 850px; border: 0"
  allow="clipboard-write"></iframe>"""
OF_THE_LINE = ("connection", "keep-alive", "transfer-encoding")  # headers that are not passed on


@contextmanager
def proxying(app: str):
    """Runs the proxy before the app at that address; yields its own address."""

    class Handler(BaseHTTPRequestHandler):
        disable_nagle_algorithm = True  # or the last message of a stream comes 40 ms late

        def forward(self) -> None:
            if self.path == "/frame":
                return self.answer(200, [("Content-Type", "text/html")], [FRAME.encode()])
            if not self.path.startswith(PREFIX + "/"):  # nothing of the app's should come here
                return self.answer(204 if self.path == "/favicon.ico" else 404, [], [])
            length = int(self.headers.get("Content-Length") or 0)
            to = http.client.HTTPConnection(urlsplit(app).netloc, timeout=300)
            headers = {n: v for n, v in self.headers.items() if n.lower() not in OF_THE_LINE}
            path = self.path[len(PREFIX) :]
            with suppress(OSError, http.client.HTTPException):  # browser or app has left
                to.request(self.command, path, self.rfile.read(length), headers)
                reply = to.getresponse()
                passed = [h for h in reply.getheaders() if h[0].lower() not in OF_THE_LINE]
                self.answer(reply.status, passed, iter(lambda: reply.read1(1 << 16), b""))
            to.close()

        do_GET = do_POST = do_HEAD = forward

        def answer(self, status: int, headers: list, parts) -> None:
            self.send_response_only(status)
            for name, value in headers:
                self.send_header(name, value)
            self.end_headers()
            for part in parts:  # a stream of events comes bit by bit
                self.wfile.write(part)
                self.wfile.flush()

        def log_message(self, *_) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
