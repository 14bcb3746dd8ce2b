# SPDX-License-Identifier: GPL-2.0-or-later
"""Walks a canary from 0 to 100 % and back under load, and shows what the clients saw of it.

Run by scripts/demo, which has made the network. Nothing here is taken on trust: pools are counted
from what the servers answered, and every new connection is held against the moment of the shift.

The clients are a fixed set of addresses, each of which connects again and again. The service sends
a client always to the same pool (`affinity: client`), so a step's share is that of the clients, and
comes out the same on every run.
"""
import hashlib
import json
import math
import os
import signal
import statistics
import subprocess
import sys
import threading
import time

LAB, TMP, BUILD = os.environ["LAB"], os.environ["LAB_TMP"], os.environ["LAB_BUILD"]
VIP, CLIENTS = os.environ["LAB_VIP4"], os.environ["LAB_CLIENTS4"]
CLIENT_COUNT = 8000
CONCURRENCY = 32
STEP_SECONDS = 4.3
STEP_SECONDS_MAX = 30
DOWNLOADS = 4  # begun before the first shift; as many again from the canary at 25 %
Z99 = 2.5758  # two-sided 99 % of the normal distribution

# What is typed at each step, and the wanted percentages of canary and baseline.
STEPS = [
    (None, 0, 5),
    ("canary=1", 1, 5),
    ("canary=5", 5, 5),
    ("canary=25", 25, 5),
    ("canary=50", 50, 5),
    ("canary=100 baseline=0", 100, 0),
    ("canary=0 baseline=5", 0, 5),
]


def inside(namespace, *command):
    return ["nsenter", f"--net=/run/netns/{LAB}-{namespace}", "--", *command]


def serin(*arguments):
    command = inside("lb", f"{BUILD}/serin", "--bpffs", f"{TMP}/bpf/serin", *arguments, "-o", "json")
    done = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
    return json.loads(done.stdout)


def wilson(hits, total):
    """The 99 % interval of a share, in percent (Wilson, 1927)."""
    p, z2 = hits / total, Z99 * Z99
    middle = p + z2 / (2 * total)
    half = Z99 * math.sqrt(p * (1 - p) / total + z2 / (4 * total * total))
    low, high = (middle - half) / (1 + z2 / total), (middle + half) / (1 + z2 / total)
    return 100 * low if hits else 0.0, 100 * high if hits < total else 100.0


def short_time(ns):
    for unit, size in (("ms", 1e6), ("us", 1e3)):
        if ns >= size:
            return f"{ns / size:.1f} {unit}" if ns < 100 * size else f"{ns / size:.0f} {unit}"
    return f"{ns} ns"


class Step:
    """What the clients saw between one shift and the next."""

    def __init__(self, typed, canary, baseline):
        self.weights = typed.split() if typed else []
        self.command = f"serin weight web {typed}" if typed else "serin apply serin.yaml"
        self.wanted = {"canary": canary, "baseline": baseline}
        self.shift = None  # what `serin weight` said
        self.begin_ns = 0  # connections begun later must follow this step's split
        self.pool_of = {}  # client: the pool that answered it
        self.answers = {}  # client: how often
        self.twice = 0  # clients answered twice or more
        self.connections = self.failed = self.stale = 0
        self.first_new_ns = None  # when the first connection began that went another way

    def add(self, begin_ns, client, pool, result, before):
        self.connections += 1
        if result != "ok":
            self.failed += 1
            return
        if self.pool_of.setdefault(client, pool) != pool:
            self.stale += 1
        seen = self.answers[client] = self.answers.get(client, 0) + 1
        self.twice += seen == 2
        if before and before.pool_of.get(client) != pool:
            after_ns = begin_ns - self.begin_ns
            self.first_new_ns = min(after_ns, self.first_new_ns or after_ns)

    def clients(self, pool):
        return {client for client, seen in self.pool_of.items() if seen == pool}

    def count(self, pool):
        return sum(seen == pool for seen in self.pool_of.values())

    def is_share_right(self, pool):
        low, high = wilson(self.count(pool), len(self.pool_of) or 1)
        return low <= self.wanted[pool] <= high

    def is_right(self):
        return (self.is_share_right("canary") and self.is_share_right("baseline")
                and not self.failed and not self.stale)


class Load:
    """The clients' connections, read from the load tool's trace as they end."""

    def __init__(self):
        self.process = subprocess.Popen(
            inside("client", f"{BUILD}/tests/tools/load", "--vip", f"{VIP}:80",
                   "--clients", CLIENTS, "--count", str(CLIENT_COUNT),
                   "--concurrency", str(CONCURRENCY), "--report-ms", "100",
                   "--trace", f"{TMP}/trace"),
            stdout=open(f"{TMP}/load.json", "w"))
        while not os.path.exists(f"{TMP}/trace"):
            time.sleep(0.01)
        self.trace, self.rest = open(f"{TMP}/trace"), ""
        self.step = self.before = None

    def read(self):
        *lines, self.rest = (self.rest + self.trace.read()).split("\n")
        for line in lines:
            begin, _, client, pool, _, result = line.split(" ")
            begin = int(begin)
            if begin > self.step.begin_ns:
                self.step.add(begin, client, pool, result, self.before)
            elif self.before:  # was under way at the shift, and may have gone either way
                self.before.connections += 1
                self.before.failed += result != "ok"

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.read()


class Download(threading.Thread):
    """A curl that takes its time, read slowly until told to hurry, and checked to its last byte."""

    def __init__(self, client, hurry):
        super().__init__(daemon=True)
        self.client, self.hurry = client, hurry
        self.digest, self.size, self.status, self.shifts = hashlib.sha256(), 0, None, 0
        self.curl = subprocess.Popen(
            inside("client", "curl", "-sS", "--interface", client, f"http://{VIP}/big"),
            stdout=subprocess.PIPE)
        self.start()

    def run(self):
        while piece := self.curl.stdout.read1(1 << 16):
            self.digest.update(piece)
            self.size += len(piece)
            self.hurry.wait(0.3)
        self.status = self.curl.wait()

    def is_intact(self, size, digest):
        return self.status == 0 and self.size == size and self.digest.digest() == digest


class Screen:
    """A table that redraws itself on a terminal; plain lines, each when it is known, elsewhere."""

    HEAD = ("  canary: % of the clients        baseline   connections        shift",
            "  wanted  observed 99 % interval  observed     new failed   store   first")

    def __init__(self):
        self.is_live = (sys.stdout.isatty() and os.environ.get("TERM", "dumb") != "dumb"
                        and os.get_terminal_size().columns >= 80)
        self.has_color = self.is_live and not os.environ.get("NO_COLOR")
        self.drawn = 0

    def color(self, code, text):
        return f"\x1b[{code}m{text}\x1b[0m" if self.has_color else text

    def line(self, text=""):
        print(text, flush=True)

    def head(self):
        self.line(self.color("1", "Serin: a canary release under load, 0 -> 100 -> 0 %"))
        self.line(f"{CLIENT_COUNT:,} clients -> load balancer -> 3 stable, 2 canary, 2 baseline nginx")
        self.line()
        for text in self.HEAD:
            self.line(self.color("2", text))

    def row(self, step):
        clients = len(step.pool_of) or 1
        low, high = wilson(step.count("canary"), clients)
        interval = f"{low:.2f} - {high:.2f}"
        store = short_time(step.shift["store_ns"]) if step.shift else ""
        first = short_time(step.first_new_ns) if step.first_new_ns else ""
        return (f"  {step.wanted['canary']:4} % {100 * step.count('canary') / clients:7.2f} %"
                f"  {interval:<14} {100 * step.count('baseline') / clients:6.2f} %"
                f" {step.connections:8,} {step.failed:6} {store:>7} {first:>7}  ")

    def bar(self, step, width=42):
        clients = len(step.pool_of) or 1
        canary = round(width * step.count("canary") / clients)
        baseline = round(width * step.count("baseline") / clients)
        stable = width - canary - baseline
        return (self.color("33", "C" * canary) + self.color("32", "s" * stable)
                + self.color("36", "b" * baseline))

    def erase(self):
        if self.drawn:
            sys.stdout.write(f"\x1b[{self.drawn}F\x1b[J")
            self.drawn = 0

    def typed(self, step):
        self.line("$ " + self.color("1", step.command))

    def live(self, step, downloads):
        if not self.is_live:
            return
        rate = step.connections / max((time.monotonic_ns() - step.begin_ns) / 1e9, 0.1)
        size = sum(download.size for download in downloads) / 1e6
        lines = [
            self.row(step), "",
            f"  {self.bar(step)}  C canary, s stable, b baseline",
            f"  {rate:,.0f} connections/s; {len(downloads)} downloads under way, {size:.0f} MB",
        ]
        self.erase()
        self.drawn = len(lines)
        self.line("\n".join(lines))

    def done(self, step):
        self.erase()
        mark = self.color("32", "ok") if step.is_right() else self.color("31", "BAD")
        self.line(self.row(step) + mark)

    def result(self, what, value, is_good):
        mark = self.color("32", "ok ") if is_good else self.color("31", "BAD")
        self.line(f"  {mark}  {what:<50} {value}")
        return is_good


def take_step(step, load, screen, downloads):
    """Shifts, then watches until every client has come at least twice."""
    screen.typed(step)
    if step.weights:
        step.shift = serin("weight", "web", *step.weights)
        step.begin_ns = step.shift["took_effect_ns"]
        for download in downloads:
            download.shifts += download.status is None
    else:
        step.begin_ns = time.monotonic_ns()
    load.before, load.step = load.step, step
    begin = time.monotonic()
    while step.twice < CLIENT_COUNT or time.monotonic() < begin + STEP_SECONDS:
        if time.monotonic() > begin + STEP_SECONDS_MAX or load.process.poll() is not None:
            break  # clients that never came will show as wrong shares or failures
        load.read()
        screen.live(step, downloads)
        time.sleep(0.1)
    load.read()
    screen.done(step)


def count_moved_baseline(steps):
    """Clients that were on the baseline at first and later not, or the reverse."""
    first = steps[0].clients("baseline")
    return sum(len(first ^ step.clients("baseline"))
               for step in steps if step.wanted["baseline"] == steps[0].wanted["baseline"])


def count_flipped_back(steps):
    """Clients that left the canary though its weight rose."""
    return sum(len(before.clients("canary") - after.clients("canary"))
               for before, after in zip(steps, steps[1:])
               if after.wanted["canary"] >= before.wanted["canary"])


def show_packets(screen):
    status = serin("status")
    verdicts, mode = status["verdicts"], status["interfaces"][0]["mode"]
    forwarded = sum(n for name, n in verdicts.items() if name.startswith("forwarded"))
    dropped = sum(verdicts[name] for name in ("no_backend", "no_next_hop", "too_big"))
    return screen.result(f"packets forwarded in {mode} XDP, and dropped",
                         f"{forwarded:,}, {dropped}", not dropped and mode == "native")


def show_result(steps, downloads, screen):
    with open(f"{TMP}/big", "rb") as big:
        content = big.read()
    digest = hashlib.sha256(content).digest()
    intact = sum(download.is_intact(len(content), digest) for download in downloads)
    shares = [step.is_share_right(pool) for step in steps for pool in ("canary", "baseline")]
    connections = sum(step.connections for step in steps)
    failed = sum(step.failed for step in steps)
    stale = sum(step.stale for step in steps)
    absent = sum(CLIENT_COUNT - step.twice for step in steps)
    flipped, moved = count_flipped_back(steps), count_moved_baseline(steps)
    spans = sorted(download.shifts for download in downloads)
    shifts = [step.shift for step in steps if step.shift]
    store_ns = statistics.median(shift["store_ns"] for shift in shifts)

    screen.line()
    good = [
        screen.result("shares inside their 99 % interval",
                      f"{sum(shares)} of {len(shares)}", all(shares)),
        screen.result("connections failed", f"{failed} of {connections:,}", not failed),
        screen.result("clients that did not come twice in a step", absent, not absent),
        screen.result("connections begun after a shift on its old split", stale, not stale),
        screen.result("clients that left a growing canary", flipped, not flipped),
        screen.result("baseline clients moved by a canary shift",
                      f"{moved} of {steps[0].count('baseline')}", not moved),
        screen.result(f"downloads intact, each over {spans[0]} to {spans[-1]} shifts",
                      f"{intact} of {len(downloads)}", intact == len(downloads)),
        show_packets(screen),
        screen.result("shifts, and the median time to store one",
                      f"{len(shifts)}, {short_time(int(store_ns))}", len(shifts) == len(STEPS) - 1),
    ]
    return all(good)


def main():
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began = time.monotonic()
    screen, hurry, steps, downloads = Screen(), threading.Event(), [], []
    screen.head()
    load = Load()
    try:
        prefix = CLIENTS.split(".0.0/")[0]
        downloads += [Download(f"{prefix}.200.{i + 1}", hurry) for i in range(DOWNLOADS)]
        for typed, canary, baseline in STEPS:
            steps.append(Step(typed, canary, baseline))
            take_step(steps[-1], load, screen, downloads)
            if canary == 25:
                some = sorted(steps[-1].clients("canary"))[:DOWNLOADS]
                downloads += [Download(client, hurry) for client in some]
        load.stop()
        hurry.set()
        for download in downloads:
            download.join(20)
    finally:
        for process in [load.process] + [download.curl for download in downloads]:
            process.kill()
            process.wait()
    good = show_result(steps, downloads, screen)
    screen.line()
    screen.line(("passed" if good else "FAILED") + f" in {time.monotonic() - began:.0f} s")
    return 0 if good else 1


if __name__ == "__main__":
    sys.exit(main())
