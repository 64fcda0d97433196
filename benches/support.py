"""What the benches share: a home of its own for the program, a pseudo-terminal, processor time, synthetic load.

Python's standard library alone. Everything listens on 127.0.0.1 at ports the system chooses, and everything that was
started is ended, and every file removed, however a bench ends.
"""

import contextlib
import fcntl
import http.server
import json
import math
import os
import pathlib
import platform
import pty
import shutil
import signal
import socketserver
import struct
import subprocess
import sys
import tempfile
import termios
import threading
import time
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parent.parent
END_OF_FRAME = b"\x1b[?2026l"
TICKS = os.sysconf("SC_CLK_TCK")
PATIENCE = 60.0


def program():
    """The release build, or what $QUARTERDECK names."""
    named = os.environ.get("QUARTERDECK")
    path = pathlib.Path(named) if named else ROOT / "target" / "release" / "quarterdeck"
    if not path.exists():
        sys.exit(f"{path} is not there: cargo build --release, or name another in $QUARTERDECK")
    return str(path)


def machine():
    """One line about where the figures come from."""
    model = "unknown processor"
    with contextlib.suppress(OSError):
        for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    load = os.getloadavg()[0]
    return f"# {os.cpu_count()} cores, {model}, {platform.system()} {platform.release()}, load before {load:.1f}"


def percentile(values, share):
    """The value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[max(0, math.ceil(len(ordered) * share) - 1)]


def verdict(value, limit):
    """`within` or `MISSES`, for people to read: a bench never fails on a time."""
    return "within" if value <= limit else "MISSES"


class Stolen:
    """The share of all processors' time that the host of a virtual machine took for others, while this was entered."""

    def __enter__(self):
        self.before = self.times()
        return self

    def __exit__(self, *_):
        spent = [after - before for before, after in zip(self.before, self.times())]
        self.share = spent[7] / max(1, sum(spent))

    @staticmethod
    def times():
        """`cpu` of `/proc/stat`, without what guests have of it: that is in the others."""
        return [int(ticks) for ticks in pathlib.Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]


class Home:
    """A home directory of its own: nothing of the user's is read or written."""

    def __init__(self, config=""):
        self.path = pathlib.Path(tempfile.mkdtemp(prefix="quarterdeck-bench-"))
        for sub in ("config", "data", "run", "store"):
            (self.path / sub).mkdir()
        (self.path / "run").chmod(0o700)
        self.config = self.path / "quarterdeck.toml"
        self.config.write_text(config)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        shutil.rmtree(self.path, ignore_errors=True)

    def environment(self):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("QUARTERDECK_", "XDG_"))}
        kept.update(
            HOME=str(self.path),
            XDG_CONFIG_HOME=str(self.path / "config"),
            XDG_DATA_HOME=str(self.path / "data"),
            XDG_STATE_HOME=str(self.path / "data"),
            XDG_RUNTIME_DIR=str(self.path / "run"),
            TERM="xterm-256color",
            COLORTERM="truecolor",
        )
        return kept

    def arguments(self, *more):
        return [
            program(), *more, "--config", str(self.config), "--data-dir", str(self.path / "store"),
            "--listen", "127.0.0.1:0",
        ]

    def beacon(self, pid):
        """Address and token of the console with this process id, once it serves."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            for file in self.path.rglob(f"console-{pid}.json"):
                with contextlib.suppress(OSError, ValueError):
                    found = json.loads(file.read_text())
                    return found["url"], found["token"]
            time.sleep(0.01)
        raise TimeoutError(f"the console {pid} did not serve within {PATIENCE:.0f} s")


class Screen:
    """A program on a pseudo-terminal of a given size, whose frames are seen as they come."""

    def __init__(self, command, environment, columns=200, rows=60):
        self.frames = []  # (time, bytes that arrived for it)
        self.started = None
        self.first_byte = None
        self.bytes = 0
        self._wake = threading.Condition()
        self._master, terminal = pty.openpty()
        fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

        def take_terminal():
            os.setsid()
            fcntl.ioctl(0, termios.TIOCSCTTY, 0)

        self.started = time.monotonic()
        self.child = subprocess.Popen(
            command, stdin=terminal, stdout=terminal, stderr=terminal, env=environment,
            preexec_fn=take_terminal, close_fds=True,
        )
        os.close(terminal)
        self.pid = self.child.pid
        threading.Thread(target=self._read, daemon=True).start()

    def _read(self):
        pending = bytearray()
        while True:
            try:
                data = os.read(self._master, 1 << 16)
            except OSError:
                data = b""
            now = time.monotonic()
            with self._wake:
                if not data:
                    self._wake.notify_all()
                    return
                self.first_byte = self.first_byte or now
                self.bytes += len(data)
                pending += data
                while (at := pending.find(END_OF_FRAME)) >= 0:
                    self.frames.append((now, bytes(pending[:at])))
                    del pending[: at + len(END_OF_FRAME)]
                self._wake.notify_all()

    def press(self, keys):
        os.write(self._master, keys.encode())

    def frame(self, after, accept=lambda _: True, patience=PATIENCE):
        """The time of the first frame from number `after` on that is accepted; None when none comes."""
        until = time.monotonic() + patience
        with self._wake:
            while True:
                while after < len(self.frames):
                    when, content = self.frames[after]
                    after += 1
                    if accept(content):
                        return when
                left = until - time.monotonic()
                if left <= 0 or not self._wake.wait(left):
                    return None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        end(self.child)
        with contextlib.suppress(OSError):
            os.close(self._master)


def end(child):
    """Ends a child as an operator's kill does; by force if it does not listen."""
    if child.poll() is None:
        child.send_signal(signal.SIGTERM)
        try:
            child.wait(30)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()


@contextlib.contextmanager
def serving(home):
    """`quarterdeck serve` in this home: its process id."""
    child = subprocess.Popen(home.arguments("serve"), env=home.environment(), stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        yield child.pid
    finally:
        end(child)


def cpu_seconds(pid):
    """Processor time of a process so far, user and system."""
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def resident_mb(pid):
    """Resident memory in MB (10^6 bytes), and the part of it that is the process's own, not mapped from files."""
    sizes = {}
    for line in pathlib.Path(f"/proc/{pid}/status").read_text().splitlines():
        name, _, rest = line.partition(":")
        if name in ("VmRSS", "RssAnon"):
            sizes[name] = int(rest.split()[0]) * 1024 / 1e6
    return sizes["VmRSS"], sizes["RssAnon"]


def ask(url, token, path, body=None):
    """GET, or POST of JSON, of a running console."""
    request = urllib.request.Request(url + path, headers={"Authorization": f"Bearer {token}"})
    if body is not None:
        request.data = json.dumps(body).encode()
        request.add_header("Content-Type", "application/json")
    with urllib.request.urlopen(request, timeout=PATIENCE) as answer:
        return answer.read()


def query(url, token, promql):
    """The value of an instant query that has one series, or None."""
    answer = json.loads(ask(url, token, "/api/v1/query?query=" + urllib.request.quote(promql)))
    result = answer["data"]["result"]
    return float(result[0]["value"][1]) if result else None


# What scraping finds.


def exposition(target, series, turn):
    """A page of gauges and counters, half each, whose values move from turn to turn."""
    lines = ["# TYPE bench_level gauge"]
    half = series // 2
    lines += [
        f'bench_level{{host="host-{target:02}",item="{i:05}"}} {50 + 40 * math.sin((i + 7 * turn) / 50):.2f}'
        for i in range(half)
    ]
    lines.append("# TYPE bench_done_total counter")
    lines += [
        f'bench_done_total{{host="host-{target:02}",item="{i:05}"}} {1000 * i + turn * (1 + i % 17)}'
        for i in range(series - half)
    ]
    return ("\n".join(lines) + "\n").encode()


class _Server(socketserver.ThreadingMixIn, http.server.HTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def handle_error(self, request, client_address):
        """A scraper that leaves is not worth a word."""


class _Pages(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 1 << 16

    def do_GET(self):
        pages = self.server.pages[int(self.path.rsplit("/", 1)[1])]
        body = pages[int(time.time()) % len(pages)]
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def exporters(targets, series, turns=6, page=None):
    """HTTP exporters in a process of their own: the port they serve at, `/metrics/N` each. `page(target, turns)` makes others' pages."""
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(reader)
        server = _Server(("127.0.0.1", 0), _Pages)
        server.pages = [
            page(t, turns) if page else [exposition(t, series, turn) for turn in range(turns)] for t in range(targets)
        ]
        os.write(writer, str(server.server_port).encode())
        os.close(writer)
        signal.signal(signal.SIGTERM, lambda *_: os._exit(0))
        server.serve_forever()
        os._exit(0)
    os.close(writer)
    try:
        yield int(os.read(reader, 16))
    finally:
        os.close(reader)
        os.kill(pid, signal.SIGTERM)
        os.waitpid(pid, 0)


def scraping(port, targets, interval):
    """Configuration that scrapes these exporters."""
    jobs = "\n".join(
        f'[[scrape.jobs]]\nname = "bench-{t:02}"\nmetrics_path = "/metrics/{t}"\n'
        f'targets = ["127.0.0.1:{port}"]\ninterval = "{interval}"\ntimeout = "{interval}"\n'
        for t in range(targets)
    )
    return jobs
