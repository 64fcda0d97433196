"""What benches beside other people's proxies share: finding those programs, starting them, nginx's configuration."""

import os
import pathlib
import shutil
import socket
import subprocess
import sys
import time

from support import PATIENCE, ROOT

FOLDER = pathlib.Path(os.environ.get("PEERS", ROOT / "target" / "peers"))


def tool(name):
    """An installed or unpacked program, or None."""
    for sub in ("usr/bin", "usr/sbin"):
        if (FOLDER / sub / name).exists():
            return str(FOLDER / sub / name)
    return shutil.which(name)


def needed(name):
    return tool(name) or sys.exit(f"no {name}: install it, or unpack Debian's package into {FOLDER}")


def environment():
    return dict(os.environ, LD_LIBRARY_PATH=str(FOLDER / "usr/lib/x86_64-linux-gnu"))


def free():
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return taken.getsockname()[1]


def start(command, port, env=None):
    child = subprocess.Popen(command, env=env or environment(), stdin=subprocess.DEVNULL,
                             stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + PATIENCE
    while time.monotonic() < until:
        if child.poll() is not None:
            sys.exit(f"{command} has ended")
        try:
            socket.create_connection(("127.0.0.1", port), 0.2).close()
            return child
        except OSError:
            time.sleep(0.05)
    sys.exit(f"{command} did not serve within {PATIENCE:.0f} s")


def nginx(folder, name, port, server, upstream="", log="access_log off;"):
    file = folder / f"{name}.conf"
    paths = "".join(f"{kind}_temp_path {folder}/{name}-{kind};\n"
                    for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi"))
    file.write_text(
        f"daemon off; pid {folder}/{name}.pid; error_log /dev/null; worker_processes 1;\n"
        f"events {{ worker_connections 4096; }}\nhttp {{ {log} keepalive_requests 1000000000;\n{paths}{upstream}"
        f"server {{ listen 127.0.0.1:{port}; {server} }} }}\n"
    )
    return [needed("nginx"), "-e", "/dev/null", "-c", file]
