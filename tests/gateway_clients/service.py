"""A service that can what http.server cannot: takes uploads, answers parts, packs what it answers."""

import gzip
import hashlib
import http.server

TEXT = b"quarterdeck " * 1000


class Service(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def answer(self, status, body, **headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def do_GET(self):
        if self.path == "/packed":
            if "gzip" in self.headers.get("Accept-Encoding", ""):
                packed = gzip.compress(TEXT, mtime=0)
                return self.answer(200, packed, Content_Encoding="gzip", Vary="Accept-Encoding")
            return self.answer(200, TEXT, Vary="Accept-Encoding")
        if self.path == "/once":
            self.server.asked += 1
            return self.answer(200 if self.server.asked == 1 else 503, TEXT)
        if self.path == "/behind-a-cache":
            return self.answer(200, TEXT, Cache_Status='"a cache of theirs"; hit; ttl=30')
        asked = self.headers.get("Range", "")
        if asked.startswith("bytes="):
            first, last = (int(n) for n in asked[6:].split("-"))
            return self.answer(206, TEXT[first:last + 1], Content_Range=f"bytes {first}-{last}/{len(TEXT)}")
        self.answer(200, TEXT, Accept_Ranges="bytes")

    do_HEAD = do_GET

    def do_PUT(self):
        digest = hashlib.sha256()
        count = 0
        for part in self.parts():
            digest.update(part)
            count += len(part)
        self.answer(201, f"{count} {digest.hexdigest()}".encode())

    do_POST = do_PUT

    def parts(self):
        """The body, by its length or in chunks."""
        if "chunked" in self.headers.get("Transfer-Encoding", ""):
            while size := int(self.rfile.readline().split(b";")[0], 16):
                yield self.rfile.read(size)
                self.rfile.readline()
            self.rfile.readline()
        else:
            left = int(self.headers.get("Content-Length", 0))
            while left and (part := self.rfile.read(min(left, 65536))):
                left -= len(part)
                yield part

    def log_message(self, *_):
        pass


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Service)
server.asked = 0
print("port", server.server_port, flush=True)
server.serve_forever()
