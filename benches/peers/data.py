"""The series that both programs get: as pages to scrape, and as remote-write requests.

A target has 5,000 series: 2,000 counters, 125 classic histograms of 12 series, 1,500 gauges. Values are drawn from a seed, so
that nothing compresses better than what real services expose: counters rise by whole numbers of their own liking and start
again now and then, gauges wander with two decimal places.
"""

import random
import struct

COUNTERS, HISTOGRAMS, GAUGES = 2_000, 125, 1_500
BOUNDS = ("0.005", "0.01", "0.025", "0.05", "0.1", "0.25", "0.5", "1", "2.5", "+Inf")
SERIES = COUNTERS + HISTOGRAMS * (len(BOUNDS) + 2) + GAUGES
KINDS = {"bench_requests_total": "counter", "bench_latency_seconds": "histogram", "bench_level": "gauge"}
CODES = ("200", "201", "404", "500", "503")


def names():
    """Name and labels of each series of a target, in the order in which `Values` has their values."""
    for i in range(COUNTERS):
        yield "bench_requests_total", {
            "code": CODES[i % 5], "method": ("GET", "POST")[i // 5 % 2], "path": f"/api/v1/resource/{i // 10:03}",
        }
    for h in range(HISTOGRAMS):
        handler = {"handler": f"handler-{h:03}"}
        for bound in BOUNDS:
            yield "bench_latency_seconds_bucket", handler | {"le": bound}
        yield "bench_latency_seconds_sum", handler
        yield "bench_latency_seconds_count", handler
    for i in range(GAUGES):
        yield "bench_level", {"item": f"item-{i:05}", "zone": f"zone-{i % 6}"}


class Values:
    """The values of one target's series, moved on step by step."""

    def __init__(self, seed):
        self._random = random.Random(seed)
        draw = self._random.random
        self._pace = [1 + int(40 * draw() ** 3) for _ in range(COUNTERS)]
        self._counters = [float(int(100_000 * draw())) for _ in range(COUNTERS)]
        self._counts = [[0.0] * len(BOUNDS) for _ in range(HISTOGRAMS)]
        self._sums = [0.0] * HISTOGRAMS
        self._gauges = [100 * draw() for _ in range(GAUGES)]

    def step(self):
        draw = self._random.random
        self._counters = [
            0.0 if draw() < 0.0005 else value + int(pace * draw()) for value, pace in zip(self._counters, self._pace)
        ]
        out = list(self._counters)
        for h, counts in enumerate(self._counts):
            busy, below = 1 + h % 7, 0
            for b in range(len(BOUNDS)):
                below += int(busy * draw())
                counts[b] += below
            self._sums[h] += below * (0.05 + 0.2 * draw())
            out += counts
            out += (self._sums[h], counts[-1])
        self._gauges = [value + draw() - 0.5 for value in self._gauges]
        out += [round(value, 2) for value in self._gauges]
        return out


def page(target, turns):
    """Pages of a target as of several turns, in the text format."""
    values, heads, before = Values(target), [], ""
    for name, labels in names():
        family = name if name in KINDS else name.rsplit("_", 1)[0]
        head = f"# TYPE {family} {KINDS[family]}\n" if family != before else ""
        before = family
        pairs = ",".join(f'{label}="{value}"' for label, value in labels.items())
        heads.append(f"{head}{name}{{{pairs}}} ")
    return [
        "".join(f"{head}{value!r}\n" for head, value in zip(heads, values.step())).encode() for _ in range(turns)
    ]


# Remote write: a protobuf message, written by hand, in snappy's container without compression.


def _varint(n):
    out = bytearray()
    while n > 127:
        out.append(n & 127 | 128)
        n >>= 7
    out.append(n)
    return bytes(out)


def _field(number, content):
    return _varint(number << 3 | 2) + _varint(len(content)) + content


class Writer:
    """Requests for one target: all its series, one sample each."""

    def __init__(self, target, job):
        self.values = Values(target)
        self._heads = []
        for name, labels in names():
            labels = labels | {"__name__": name, "instance": f"host-{target:02}:9100", "job": job}
            pairs = b"".join(
                _field(1, _field(1, label.encode()) + _field(2, value.encode())) for label, value in sorted(labels.items())
            )
            # A sample is 16 bytes with its time of six: TimeSeries { labels, samples: [{ value, timestamp }] }.
            self._heads.append(b"\x0a" + _varint(len(pairs) + 18) + pairs + b"\x12\x10\x09")

    def request(self, t):
        """Moves the values on; the body of a request as of `t` (milliseconds)."""
        moment = b"\x10" + _varint(t)
        assert len(moment) == 7
        pack = struct.Struct("<d").pack
        message = b"".join([
            part for head, value in zip(self._heads, self.values.step()) for part in (head, pack(value), moment)
        ])
        # One literal: its length less one in four bytes.
        return _varint(len(message)) + b"\xfc" + struct.pack("<I", len(message) - 1) + message
