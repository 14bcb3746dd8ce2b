# SPDX-License-Identifier: GPL-2.0-or-later
"""Measures load balancers against each other. Run by tests/bench/e2e, which has made the network.

What a load balancer costs is counted: the CPU time, in ns and by the scheduler's own count, of the
kernel threads that do the NAPI of its interfaces (receiving, XDP, netfilter, routing, TCP and the
hand-over to the next interface all happen there) and of its processes. Clients, servers, switch and
packet generator run in other threads, so nothing of theirs is in it.

That still holds what a veth and the waking of a thread cost, and for XDP on a veth the copy of each
packet that a socket has sent, which no NIC makes. So each ratio is told twice, the second time with
a floor taken off both sides, measured in the same run: for Serin an XDP program that only carries
packets to one backend; for the others too where a generator sends to XDP, and for HTTP the kernel
as a plain router. A figure below its floor is within what both vary by, and tells 0.

Limits: timers and RCU callbacks go to whoever runs when they are due, for all alike. On a machine
that is not idle, a load balancer is woken for fewer packets at a time, which costs most where there
is least else to do: XDP. Rates depend on how many CPUs clients and servers have left. Rounds are
interleaved and each figure is the median of its rounds: noise changes figures more than ratios.
"""
import argparse
import hashlib
import json
import math
import os
import re
import signal
import statistics
import subprocess
import sys
import time

from e2e_balancers import (BUILD, TMP, UDP, VIP, Floor, Haproxy, Nftables, Nginx, Routing, Serin,
                           inside, napi_threads, run)

CLIENTS, GEN_MAC = os.environ["LAB_CLIENTS4"], os.environ["GEN_MAC"]
CONCURRENCY = 64
SHIFT_RATE = 1500  # new connections per second while the split changes
SHIFT_FROM, SHIFT_TO = 1, 50
DOWNLOADS = 4
GOAL_PACKET, GOAL_CONNECTION = 0.1, 0.2


def pin(balancer):
    """The load balancer on one CPU, the generator elsewhere; returns the generator's prefix."""
    cpus = sorted(os.sched_getaffinity(0))
    for thread in napi_threads(balancer.interface):
        os.setpriority(os.PRIO_PROCESS, int(thread), -10)
        if balancer.protocol == "udp":
            os.sched_setaffinity(int(thread), cpus[-1:])
    rest = cpus[:-1] or cpus
    for thread in napi_threads("gen0"):
        os.sched_setaffinity(int(thread), rest)
    return ["taskset", "-c", ",".join(map(str, rest))]


# ---- what is measured: each takes a balancer that is up and returns figures by name


def link():
    return json.loads(run("lb", "ip", "-s", "-j", "link", "show", "eth1"))[0]


def measure_packets(balancer, flows, milliseconds, tries=3):
    """Offers more than can be handled, after a turn in which all flows are new. What counts is what
    was received: whether the sink has room is not the load balancer's affair. What a proxy loses
    is, between its socket and its next system call."""
    sender = pin(balancer) + [
        f"{BUILD}/tests/bench/e2e_packets_bench", "send", "--interface", "gen0",
        "--to", link()["address"], "--from", GEN_MAC, "--vip", VIP, "--port", 53,
        "--clients", CLIENTS.split("/")[0], "--flows", flows]
    run("gen", *sender, "--milliseconds", 2000, "--packets", flows, "--rate", 250000)
    before, before_ns = link()["stats64"]["rx"]["packets"], balancer.cpu_ns()
    result = json.loads(run("gen", *sender, "--milliseconds", milliseconds))
    cpu_ns = balancer.cpu_ns() - before_ns
    received = link()["stats64"]["rx"]["packets"] - before
    seen, to = result["seen"], result["to"]
    if balancer.process:
        received = seen
    if not seen and tries > 1:  # others' work may have kept it off its CPU for all that time
        return measure_packets(balancer, flows, milliseconds, tries - 1)
    if not seen:
        raise RuntimeError(f"{balancer.name}: none of {result['sent']} packets came back")
    canary = sum(to.get(address.rsplit(".")[-1], 0) for address in UDP["canary"])
    return {"cpu_ns": cpu_ns / received, "per_second": received / result["elapsed_ns"] * 1e9,
            "canary": canary / seen}


def load_command(balancer, *options):
    return [f"{BUILD}/tests/tools/load", "--vip", f"{balancer.vip}:{balancer.port}", "--clients",
            CLIENTS, "--count", 8000, "--concurrency", CONCURRENCY, *options]


def read_trace(path):
    """(begin, end, pool, result) of each connection, in the order they began."""
    with open(path) as file:
        fields = (line.split() for line in file)
        return sorted((int(f[0]), int(f[1]), f[3], f[5]) for f in fields if len(f) == 6)


def percentile(values, share):
    values = sorted(values)
    return values[min(len(values) - 1, int(share * len(values)))] if values else math.nan


def measure_connections(balancer, requests):
    """How many at full speed and at what cost; then how quickly at a tenth of it."""
    pin(balancer)
    before = balancer.cpu_ns()
    command = load_command(balancer, "--requests", requests, "--seconds", 20)
    text = run("client", *command, check=False)
    cpu_ns = balancer.cpu_ns() - before
    result = json.loads(text.splitlines()[-1])
    done = result["requests"] - result["failed"]
    trace = f"{TMP}/trace"
    run("client", *load_command(balancer, "--requests", requests // 10, "--seconds", 20,
                                "--rate", 1000, "--trace", trace), check=False)
    spans = [(end - begin) / 1000 for begin, end, _, how in read_trace(trace) if how == "ok"]
    return {"cpu_ns": cpu_ns / max(done, 1), "per_second": done / result["elapsed_ms"] * 1000,
            "failed": result["failed"], "p50_us": percentile(spans, 0.5),
            "p99_us": percentile(spans, 0.99)}


def in_us(text):
    """Of wrk's own way to write times, which knows "-nan" too."""
    match = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    return float(match[1]) * {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7}[match[2]] if match else math.nan


def measure_requests(balancer, seconds):
    pin(balancer)
    before = balancer.cpu_ns()
    text = run("client", "wrk", "-t", 1, "-c", CONCURRENCY, "-d", f"{seconds}s", "--latency",
               f"http://{balancer.vip}:{balancer.port}/")
    cpu_ns = balancer.cpu_ns() - before
    done = int(re.search(r"(\d+) requests in", text)[1])
    if not done:
        raise RuntimeError(f"{balancer.name} answered nothing: {text}")
    failed = re.search(r"Socket errors: (.*)|$", text)[0] + re.search(r"Non-2xx.*|$", text)[0]
    return {"cpu_ns": cpu_ns / max(done, 1),
            "per_second": float(re.search(r"Requests/sec:\s+([\d.]+)", text)[1]),
            "failed": sum(map(int, re.findall(r" (\d+)", failed))),
            "p50_us": in_us(re.search(r"50%\s+(\S+)", text)[1]),
            "p99_us": in_us(re.search(r"99%\s+(\S+)", text)[1])}


def change_point(connections, old, new):
    """When connections began to follow the new share: the most likely point in their order."""
    step = {True: math.log(old / new), False: math.log((1 - old) / (1 - new))}
    best, best_at, likelihood = -math.inf, 0, 0.0
    for i in range(len(connections) + 1):
        if likelihood > best:
            best, best_at = likelihood, i
        if i < len(connections):
            likelihood += step[connections[i][2] == "canary"]
    return connections[best_at][0] if best_at < len(connections) else None


def measure_shift(balancer, seconds):
    pin(balancer)
    trace = f"{TMP}/trace"
    with open(f"{TMP}/big", "rb") as file:
        big = hashlib.sha256(file.read()).digest()
    processes = []
    try:
        load = subprocess.Popen(
            inside("client", *load_command(balancer, "--seconds", seconds, "--rate", SHIFT_RATE,
                                           "--trace", trace)), stdout=subprocess.PIPE, text=True)
        speed = (16 << 20) // (seconds + 1)  # so that they last longer than the load
        downloads = [subprocess.Popen(
            inside("client", "curl", "-sf", "--max-time", 30, "--limit-rate", speed, "-o",
                   f"{TMP}/down{i}", f"http://{VIP}/big")) for i in range(DOWNLOADS)]
        processes = [load] + downloads
        time.sleep(seconds / 2)
        begin = time.monotonic_ns()
        balancer.shift(SHIFT_TO)
        command_ns = time.monotonic_ns() - begin
        result = json.loads(load.communicate(timeout=30)[0].splitlines()[-1])
        broken = 0
        for i, download in enumerate(downloads):
            status = download.wait(40)
            with open(f"{TMP}/down{i}", "rb") as file:
                broken += bool(status) or hashlib.sha256(file.read()).digest() != big
    finally:
        for process in processes:
            process.kill()
            process.wait()
    connections = [c for c in read_trace(trace) if c[3] == "ok"]
    at = change_point(connections, SHIFT_FROM / 100, SHIFT_TO / 100)
    after = [c for c in connections if at and c[0] >= at]
    return {"command_ms": command_ns / 1e6, "holds_ms": (at - begin) / 1e6 if at else math.nan,
            "failed": result["failed"], "broken": broken,
            "canary": sum(c[2] == "canary" for c in after) / max(len(after), 1)}


# ---- rounds, the table, the list


def median_of(rounds):
    return {key: statistics.median(r[key] for r in rounds) for key in rounds[0]}


class Report:
    def __init__(self):
        self.entries = []
        self.is_good = True

    def table(self, title, case, rounds, columns):
        """rounds: balancer's name: figures of each round."""
        print(f"\n{title}")
        print("  " + " " * 16 + "".join(f"{head:>{width}}" for head, _, width, _ in columns))
        for name, figures in rounds.items():
            median = median_of(figures)
            cells = "".join(f"{self.cell(median, key, form):>{width}}"
                            for _, key, width, form in columns)
            print(f"  {name:16}{cells}", flush=True)
            entry = {"case": f"{case} {name}", "rounds": len(figures)}
            entry.update((k, round(v, 3)) for k, v in median.items() if not math.isnan(v))
            self.entries.append(entry)

    @staticmethod
    def cell(median, key, form):
        return form(median[key]) if key in median else "-"

    def ratio(self, what, case, figures, names, goal=None, floors=()):
        """One's CPU over another's, each less its floor. A missed goal is told, it is no error."""
        cpu = [median_of(figures[name])["cpu_ns"] for name in (*names, *floors)]
        if floors:
            cpu = [max(cpu[0] - cpu[2], 0.0), cpu[1] - cpu[3], cpu[3]]
            if cpu[1] < cpu[2] / 10:
                print(f"  {what:<58}       -  too close to the floor to tell")
                return
        value = cpu[0] / cpu[1]
        print(f"  {what:<58} {value:7.3f}", end="")
        print("" if goal is None else f"  goal {goal:g}: {'met' if value <= goal else 'MISSED'}")
        entry = {"case": f"{case}{' net' if floors else ''} {'/'.join(names)}",
                 "ratio": round(value, 4)}
        if goal is not None:
            entry.update(goal=goal, met=value <= goal)
        self.entries.append(entry)

    def save(self, path):
        """Adds to the list that others write too; what this run has measured again is replaced."""
        kept, cases = [], {entry["case"] for entry in self.entries}
        if os.path.exists(path) and os.path.getsize(path):
            with open(path) as file:
                kept = [entry for entry in json.load(file) if entry.get("case") not in cases]
        with open(f"{path}.new", "w") as file:
            json.dump(kept + self.entries, file, indent=1)
            file.write("\n")
        os.replace(f"{path}.new", path)


def interleave(kinds, count, protocol, measure, canary=10):
    rounds = {kind.name: [] for kind in kinds}
    for _ in range(count):
        for kind in kinds:
            if protocol in kind.protocols:
                with kind(protocol, canary) as balancer:
                    rounds[kind.name].append(measure(balancer))
    return {name: figures for name, figures in rounds.items() if figures}


def whole(value):
    return f"{value:,.0f}"


def percent(value):
    return f"{100 * value:.1f} %"


def thousandth(value):
    return f"{value / 1000:,.1f}"


def one(value):
    return f"{value:,.1f}"


def bench_packets(report, quick):
    milliseconds = 300 if quick else 600
    for flows, count in ((1000, 3 if quick else 7), (100000, 2 if quick else 7)):
        kinds = [Floor, Serin, Nftables] + ([Nginx] if flows == 1000 else [])
        figures = interleave(kinds, count, "udp",
                             lambda balancer: measure_packets(balancer, flows, milliseconds), 25)
        case, names = f"e2e packets {flows} flows", ("serin", "nftables")
        report.table(f"UDP, 60-byte frames, {flows:,} flows, XDP sender, canary at 25 %", case,
                     figures, [("CPU s/M packets", "cpu_ns", 17, lambda ns: f"{ns / 1000:.3f}"),
                               ("packets/s, one CPU", "per_second", 20, whole),
                               ("to canary", "canary", 12, percent)])
        report.ratio("CPU per packet, serin / nftables", case, figures, names)
        report.ratio("the same, less what XDP alone costs", case, figures, names, GOAL_PACKET,
                     ("XDP alone", "XDP alone"))


def bench_http(report, unit, title, count, measure, goals):
    kinds = [Floor, Routing, Serin, Nftables, Nginx, Haproxy]
    figures, case = interleave(kinds, count, "tcp", measure), f"e2e {unit}"
    report.table(title, case, figures, [
        (f"CPU s/M {unit}", "cpu_ns", 21, thousandth), (f"{unit}/s", "per_second", 15, whole),
        ("p50 us", "p50_us", 10, whole), ("p99 us", "p99_us", 10, whole),
        ("failed", "failed", 8, whole)])
    for over in ("nginx", "haproxy", "nftables"):
        names = ("serin", over)
        report.ratio(f"CPU, serin / {over}", case, figures, names)
        report.ratio("the same, less XDP alone and less routing alone", case, figures, names,
                     goals.get(over), ("XDP alone", "routing alone"))


def bench_connections(report, quick):
    count, requests = (2, 3000) if quick else (7, 8000)
    bench_http(report, "connections", "HTTP, a connection per request (latencies at 1,000/s)",
               count, lambda balancer: measure_connections(balancer, requests),
               {"nginx": GOAL_CONNECTION, "haproxy": GOAL_CONNECTION})


def bench_requests(report, quick):
    count, seconds = (1, 1) if quick else (5, 2)
    title = f"HTTP, {CONCURRENCY} kept connections (latencies at full speed)"
    bench_http(report, "requests", title, count,
               lambda balancer: measure_requests(balancer, seconds), {})


def bench_shift(report, quick):
    count, seconds = (1, 2) if quick else (4, 2)
    figures = interleave([Serin, Nftables, Nginx, Haproxy], count, "tcp",
                         lambda balancer: measure_shift(balancer, seconds), SHIFT_FROM)
    title = (f"A shift from {SHIFT_FROM} to {SHIFT_TO} % under {SHIFT_RATE:,} connections/s and "
             f"{DOWNLOADS} downloads")
    report.table(title, "e2e shift", figures, [
        ("command ms", "command_ms", 12, one), ("new split holds after ms", "holds_ms", 26, one),
        ("canary then", "canary", 13, percent), ("failed", "failed", 8, whole),
        ("broken", "broken", 8, whole)])
    print("  From the start of serin weight, nft -f, nginx -s reload, or a line to HAProxy's")
    print(f"  socket, to the first connection of the new split; one begins each "
          f"{1000 / SHIFT_RATE:.1f} ms.")


PARTS = {"packets": bench_packets, "connections": bench_connections, "requests": bench_requests,
         "shift": bench_shift}


def main():
    parser = argparse.ArgumentParser(prog="e2e", description="Compares load balancers end to end.")
    parser.add_argument("--quick", action="store_true", help="under 60 s, fewer rounds")
    parser.add_argument("--json", metavar="FILE", help="put the results into the list in FILE")
    parser.add_argument("--only", metavar="PART,...", default=",".join(PARTS), help=" ".join(PARTS))
    options = parser.parse_args()
    parts = options.only.split(",")
    if set(parts) - set(PARTS):
        parser.error(f"--only takes {', '.join(PARTS)}")
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    began, report = time.monotonic(), Report()
    busy = os.getloadavg()[0]
    print(f"kernel {os.uname().release}, {os.cpu_count()} CPUs, load average {busy:.1f}" +
          (": other work runs here, rates and latencies suffer" if busy > 1 else ""), flush=True)
    for part in parts:
        PARTS[part](report, options.quick)
        if options.json:
            report.save(options.json)
    print(f"\ndone in {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
