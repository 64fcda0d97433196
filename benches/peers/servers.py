"""Both programs, started and ended alike, and what the system says of them."""

import http.client
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.parse

from support import PATIENCE, TICKS, program


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def prometheus_program():
    """What $PROMETHEUS names (a program or its folder), else the one on the path."""
    named = os.environ.get("PROMETHEUS")
    if named and pathlib.Path(named).is_dir():
        named = str(pathlib.Path(named) / "prometheus")
    found = shutil.which(named or "prometheus")
    if not found:
        sys.exit("no Prometheus: name one in $PROMETHEUS (version 3.5)")
    return found


def version(path):
    said = subprocess.run([path, "--version"], capture_output=True, text=True, check=True)
    return (said.stdout or said.stderr).splitlines()[0].split(" (")[0]


class Server:
    """A program with a data directory of its own, below one that goes with it."""

    name = ""

    def __init__(self, config):
        self.home = pathlib.Path(tempfile.mkdtemp(prefix="quarterdeck-peers-"))
        self.config = self.home / "prometheus.yml"
        self.config.write_text(config)
        self.port = free_port()
        self.child = None
        self.token = ""
        self._connection = None

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.end()
        shutil.rmtree(self.home, ignore_errors=True)

    def start(self):
        """Starts it and does not wait."""
        command, environment = self.command()
        self.child = subprocess.Popen(
            command, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    def kill(self):
        """As a crash does."""
        self.child.kill()
        self.child.wait()
        self.forget()

    def end(self):
        """As an operator does."""
        self.forget()
        if self.child.poll() is None:
            self.child.send_signal(signal.SIGTERM)
            try:
                self.child.wait(60)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()

    def forget(self):
        if self._connection:
            self._connection.close()
        self._connection = None

    def ready(self):
        """Waits until it answers queries."""
        until = time.monotonic() + PATIENCE
        while time.monotonic() < until:
            try:
                if self.ask("/api/v1/query?query=1")[0] == 200:
                    return
            except (OSError, http.client.HTTPException):
                self.forget()
            if self.child.poll() is not None:
                sys.exit(f"{self.name} has ended: {' '.join(self.command()[0])}")
            time.sleep(0.005)
        sys.exit(f"{self.name} did not answer within {PATIENCE:.0f} s")

    def ask(self, path, body=None, headers=None):
        """Status and body, over one connection that is kept as long as the server keeps it."""
        headers = {"Authorization": f"Bearer {self.token}", **(headers or {})}
        for fresh in (self._connection is None, True):
            if self._connection is None:
                self._connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=600)
            try:
                self._connection.request("GET" if body is None else "POST", path, body, headers)
                answer = self._connection.getresponse()
                return answer.status, answer.read()
            except (http.client.RemoteDisconnected, BrokenPipeError, ConnectionResetError):
                self.forget()
                if fresh:
                    raise
        raise AssertionError("a fresh connection answers or raises")

    def write(self, body):
        """A remote-write request."""
        headers = {
            "Content-Type": "application/x-protobuf", "Content-Encoding": "snappy", "X-Prometheus-Remote-Write-Version": "0.1.0",
        }
        status, said = self.ask("/api/v1/write", body, headers)
        if status not in (200, 204):
            sys.exit(f"{self.name} refused what was written: {status} {said.decode(errors='replace')[:200]}")

    def query(self, query):
        """The time it took in seconds, and the answer's bytes."""
        path = query.path()
        begun = time.perf_counter()
        status, said = self.ask(path)
        took = time.perf_counter() - begun
        if status != 200:
            sys.exit(f"{self.name}: {query.text}: {status} {said.decode(errors='replace')[:200]}")
        return took, said

    def processes(self):
        """It and what it has started."""
        found, fresh = [], [self.child.pid]
        while fresh:
            pid = fresh.pop()
            found.append(pid)
            for task in pathlib.Path(f"/proc/{pid}/task").glob("*/children"):
                fresh += [int(child) for child in task.read_text().split()]
        return found

    def cpu_seconds(self):
        """Processor time so far, user and system."""
        total = 0
        for pid in self.processes():
            fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def anonymous_mb(self):
        """Memory that is not of files, in MB (10^6 bytes)."""
        total = 0
        for pid in self.processes():
            for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
                if line.startswith("Anonymous:"):
                    total += int(line.split()[1])
        return total * 1024 / 1e6


class Quarterdeck(Server):
    """`quarterdeck serve` with a prometheus.yml as it is."""

    name = "quarterdeck"

    def __init__(self, config):
        super().__init__(config)
        for sub in ("config", "data", "run", "store"):
            (self.home / sub).mkdir()
        (self.home / "run").chmod(0o700)
        self.own = self.home / "quarterdeck.toml"
        self.own.write_text("")

    def command(self):
        kept = {k: v for k, v in os.environ.items() if not k.startswith(("QUARTERDECK_", "XDG_"))}
        kept |= {
            "HOME": str(self.home), "XDG_CONFIG_HOME": str(self.home / "config"), "XDG_DATA_HOME": str(self.home / "data"),
            "XDG_STATE_HOME": str(self.home / "data"), "XDG_RUNTIME_DIR": str(self.home / "run"),
        }
        return [
            program(), "serve", "--config", str(self.own), "--data-dir", str(self.home / "store"),
            "--listen", f"127.0.0.1:{self.port}", "--prometheus-config", str(self.config),
        ], kept

    def ready(self):
        super().ready()
        for beacon in self.home.rglob(f"console-{self.child.pid}.json"):
            self.token = json.loads(beacon.read_text())["token"]

    def sealed_bytes(self):
        """Bytes of the store's files after everything is sealed: it does so when it ends."""
        self.end()
        files = (self.home / "store" / "metrics").rglob("*")
        return sum(file.stat().st_size for file in files if file.is_file())


class Prometheus(Server):
    """A Prometheus server with a remote-write receiver."""

    name = "prometheus"

    def command(self):
        return [
            prometheus_program(), f"--config.file={self.config}", f"--storage.tsdb.path={self.home / 'tsdb'}",
            f"--web.listen-address=127.0.0.1:{self.port}", "--web.enable-remote-write-receiver",
            "--web.enable-admin-api", "--log.level=error",
        ], dict(os.environ)

    def sealed_bytes(self):
        """Bytes of the blocks that a snapshot makes of its head."""
        status, said = self.ask("/api/v1/admin/tsdb/snapshot", b"")
        if status != 200:
            sys.exit(f"no snapshot: {said.decode(errors='replace')[:200]}")
        folder = self.home / "tsdb" / "snapshots" / json.loads(said)["data"]["name"]
        return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())


class Query:
    """A query, at a moment or over a range (seconds)."""

    def __init__(self, label, text, end, start=None, step=None):
        self.label, self.text, self.end, self.start, self.step = label, text, end, start, step

    def path(self):
        if self.start is None:
            return "/api/v1/query?" + urllib.parse.urlencode({"query": self.text, "time": self.end})
        return "/api/v1/query_range?" + urllib.parse.urlencode(
            {"query": self.text, "start": self.start, "end": self.end, "step": self.step}
        )


def difference(ours, theirs):
    """What two answers differ in; None when they agree to 1e-9 relative."""

    def series(answer):
        data = json.loads(answer)["data"]
        return {
            json.dumps(one["metric"], sort_keys=True): one.get("values") or [one["value"]] for one in data["result"]
        }

    ours, theirs = series(ours), series(theirs)
    if ours.keys() != theirs.keys():
        odd = sorted(ours.keys() ^ theirs.keys())
        return f"{len(ours)} series against {len(theirs)}, such as {odd[0]}"
    for labels, points in ours.items():
        others = theirs[labels]
        if len(points) != len(others):
            return f"{labels}: {len(points)} points against {len(others)}"
        for (t, value), (other_t, other) in zip(points, others):
            if t != other_t:
                return f"{labels}: {t} against {other_t}"
            if value != other:
                a, b = float(value), float(other)
                if abs(a - b) > 1e-9 * max(abs(a), abs(b)):
                    return f"{labels} at {t}: {value} against {other}"
    return None
