# SPDX-License-Identifier: GPL-2.0-or-later
"""Measures load balancers against each other. Run by tests/bench/e2e, which has made the network.

What a load balancer costs is counted: the CPU time, in ns and by the scheduler's own count, of the
kernel threads that do the NAPI of its interfaces (receiving, XDP, netfilter, routing, TCP and the
hand-over to the next interface all happen there) and of its processes. Clients, servers, switch
and packet generator run in other threads, so nothing of theirs is in it. Columns and ratios:

all      All of that, at full speed. A thread that wakes for each packet costs more than the packet;
         a NIC under load coalesces interrupts, so these threads preempt nobody (SCHED_BATCH) and
         find several packets at a time.
net      The same, less a floor measured in the same run, which is what a veth costs, and for XDP
         the copy of each packet that a socket has sent, which no NIC makes: for Serin an XDP
         program that only carries packets to one backend; for the others too where a generator
         sends to XDP, and for HTTP the kernel as a plain router, though a proxy routes nothing.
own      The balancer's own instructions, with nothing of drivers and of the stack's receiving side:
         the run time of the XDP program, as the kernel's BPF statistics count it (at 1,000/s, for
         the clocks they read slow it); the time of a proxy's processes with their system calls.
1,000/s  As all, at a rate that leaves CPUs idle, and woken at once: mostly for each packet, which
         is the method's cost more than a load balancer's; it weighs most where little is done.

Limits: timers and RCU callbacks go to whoever runs when they are due, for all alike. Rates depend
on how many CPUs clients and servers have left. Rounds are interleaved, each figure is the median of
its rounds, and each ratio that of the rounds' ratios: noise changes figures more than ratios. For
packets, where tens of ns count, it is the best of its rounds.
"""
import argparse
import contextlib
import ctypes
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
CALM_RATE = 1000  # the same, where it is latency that is measured
GOAL_PACKET, GOAL_CONNECTION = 0.1, 0.2


def schedule(balancer, policy=os.SCHED_OTHER):
    """For packets the load balancer on one CPU and the generator elsewhere; returns the generator's
    prefix. SCHED_BATCH: the load balancer's NAPI preempts nobody."""
    cpus = sorted(os.sched_getaffinity(0))
    for thread in map(int, napi_threads(balancer.interface)):
        os.sched_setscheduler(thread, policy, os.sched_param(0))
        os.setpriority(os.PRIO_PROCESS, thread, -10)
        if balancer.protocol == "udp":
            os.sched_setaffinity(thread, cpus[-1:])
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
    sender = schedule(balancer) + [
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


@contextlib.contextmanager
def bpf_statistics():
    """Meanwhile the kernel counts how long each BPF program runs."""
    fd = ctypes.CDLL("libbpf.so.1").bpf_enable_stats(0)  # BPF_STATS_RUN_TIME
    if fd < 0:
        raise RuntimeError("the kernel keeps no BPF statistics")
    try:
        yield
    finally:
        os.close(fd)


def run_load(balancer, requests, *options):
    command = load_command(balancer, "--requests", requests, "--seconds", 20, *options)
    return json.loads(run("client", *command, check=False).splitlines()[-1])


def measure_calm(balancer, requests):
    """At a rate far from full speed: how quickly, and at what cost."""
    trace = f"{TMP}/trace"
    schedule(balancer)
    with bpf_statistics():
        before, program_before = balancer.cpu_ns(), balancer.program_ns()
        result = run_load(balancer, requests, "--rate", CALM_RATE, "--trace", trace)
        program, cpu_ns = balancer.program_ns(), balancer.cpu_ns() - before
    spans = [(end - begin) / 1000 for begin, end, _, how in read_trace(trace) if how == "ok"]
    figures = {"calm_cpu_ns": cpu_ns / max(len(spans), 1), "p50_us": percentile(spans, 0.5),
               "p99_us": percentile(spans, 0.99), "failed": result["failed"]}
    if program is not None:
        figures["own_ns"] = (program - program_before) / max(len(spans), 1)
    return figures


def measure_connections(balancer, requests, calm_requests):
    """How many at full speed and at what cost; then in calm."""
    schedule(balancer, os.SCHED_BATCH)
    before, processes_before = balancer.cpu_ns(), balancer.processes_ns()
    result = run_load(balancer, requests)
    cpu_ns, own_ns = balancer.cpu_ns() - before, balancer.processes_ns() - processes_before
    done = result["requests"] - result["failed"]
    figures = measure_calm(balancer, calm_requests)
    if balancer.process:
        figures["own_ns"] = own_ns / max(done, 1)
    return {**figures, "cpu_ns": cpu_ns / max(done, 1),
            "per_second": done / result["elapsed_ms"] * 1000,
            "failed": result["failed"] + figures["failed"]}


def in_us(text):
    """Of wrk's own way to write times, which knows "-nan" too."""
    unit = {"us": 1, "ms": 1e3, "s": 1e6, "m": 6e7}
    match = re.fullmatch(r"([\d.]+)(us|ms|s|m)", text)
    return float(match[1]) * unit[match[2]] if match else math.nan


def measure_requests(balancer, seconds):
    schedule(balancer, os.SCHED_BATCH)
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
    schedule(balancer)
    trace = f"{TMP}/trace"
    with open(f"{TMP}/big", "rb") as file:
        big = hashlib.sha256(file.read()).digest()
    processes = []
    try:
        load = subprocess.Popen(
            inside("client", *load_command(balancer, "--seconds", seconds, "--rate", SHIFT_RATE,
                                           "--concurrency", 4 * CONCURRENCY, "--trace", trace)),
            stdout=subprocess.PIPE, text=True)
        speed = (16 << 20) / seconds  # so that they last as long as the load
        downloads = [subprocess.Popen(
            inside("client", "curl", "-sf", "--max-time", 30, "--limit-rate", int(speed), "-o",
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


def median(values):
    values = [value for value in values if not math.isnan(value)]
    return statistics.median(values) if values else math.nan


def median_of(rounds):
    return {key: median([r[key] for r in rounds]) for key in rounds[0]}


def ratio_of(figures, key, names, floors=()):
    """One's over another's, each less its floor, the median of the rounds'; nan if not to be told,
    because the first is no more than its floor or the second hardly more."""
    lines = [[r.get(key, math.nan) for r in figures[name]] for name in (*names, *floors)]
    if not floors:
        return median([one / other for one, other in zip(*lines)])
    if median(lines[1]) - median(lines[3]) < median(lines[3]) / 10:
        return math.nan
    value = median([(one - under) / (other - below) for one, other, under, below in zip(*lines)])
    return value if value > 0 else math.nan


class Report:
    def __init__(self):
        self.entries = []

    def table(self, title, case, rounds, columns):
        """rounds: balancer's name: figures of each round."""
        print(f"\n{title}")
        print("  " + " " * 16 + "".join(f"{head:>{width}}" for head, _, width, _ in columns))
        for name, figures in rounds.items():
            medians = median_of(figures)
            cells = "".join(f"{self.cell(medians, key, form):>{width}}"
                            for _, key, width, form in columns)
            print(f"  {name:16}{cells}", flush=True)
            entry = {"case": f"{case} {name}", "rounds": len(figures)}
            entry.update((k, round(v, 3)) for k, v in medians.items() if not math.isnan(v))
            self.entries.append(entry)

    @staticmethod
    def cell(medians, key, form):
        return form(medians[key]) if not math.isnan(medians.get(key, math.nan)) else "-"

    def ratios(self, case, figures, others, kinds, goals):
        """Serin's CPU over each other's. kinds: name: (key, floors); goals: (other, kind): at most
        so much. A missed goal is told, it is no error."""
        print("  " + f"{'CPU of serin / of':25}" + "".join(f"{kind:>10}" for kind in kinds))
        for other in others:
            names, cells, verdict = ("serin", other), "", ""
            for kind, (key, floors) in kinds.items():
                value = ratio_of(figures, key, names, floors)
                cells += "         -" if math.isnan(value) else f"{value:10.3f}"
                entry = {"case": f"{case} {kind} serin/{other}"}
                if not math.isnan(value):
                    entry["ratio"] = round(value, 4)
                goal = goals.get((other, kind))
                if goal is not None and not math.isnan(value):
                    entry.update(goal=goal, met=value <= goal)
                    verdict += f"  {kind} {goal:g}: {'met' if value <= goal else 'MISSED'}"
                self.entries.append(entry)
            print(f"  {other:25}{cells}{'  goal' if verdict else ''}{verdict}", flush=True)

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


def thousandths(value):
    return f"{value / 1000:.3f}"


def least_disturbed(rounds):
    """What else runs on a CPU, and in its caches, only adds to the cost of a packet."""
    return [{**median_of(rounds), "cpu_ns": min(r["cpu_ns"] for r in rounds),
             "per_second": max(r["per_second"] for r in rounds)}]


def bench_packets(report, quick):
    """HAProxy carries no UDP."""
    for flows, count in ((1000, 2),) if quick else ((1000, 9), (100000, 9)):
        kinds = [Floor, Serin, Nftables] + ([] if quick or flows > 1000 else [Nginx])
        rounds = interleave(kinds, count, "udp", lambda balancer: measure_packets(
            balancer, flows, 200 if quick else 400), 25)
        figures = {name: least_disturbed(of_one) for name, of_one in rounds.items()}
        case = f"e2e packets {flows} flows"
        report.table(f"UDP, 60-byte frames, {flows:,} flows, XDP sender, canary at 25 %; "
                     f"the best of {count} rounds", case, figures,
                     [("CPU us/packet", "cpu_ns", 15, thousandths),
                      ("packets/s, one CPU", "per_second", 20, whole),
                      ("to canary", "canary", 12, percent)])
        report.ratios(case, figures, [k.name for k in kinds[2:]],
                      {"all": ("cpu_ns", ()), "net": ("cpu_ns", ("XDP alone", "XDP alone"))},
                      {("nftables", "net"): GOAL_PACKET})


HTTP_KINDS = [Serin, Nftables, Nginx, Haproxy]
HTTP_FLOORS = {"net": ("cpu_ns", ("XDP alone", "routing alone"))}


def bench_connections(report, quick):
    count, requests, calm = (1, 3000, 300) if quick else (7, 8000, 800)
    figures = interleave(HTTP_KINDS if quick else [Floor, Routing] + HTTP_KINDS, count, "tcp",
                         lambda balancer: measure_connections(balancer, requests, calm))
    case, at_rate = "e2e connections", f"{CALM_RATE:,}/s"
    report.table("HTTP, a connection per request; CPU in us per connection", case, figures, [
        ("all", "cpu_ns", 8, thousandth), ("own", "own_ns", 8, thousandth),
        (at_rate, "calm_cpu_ns", 9, thousandth), ("connections/s", "per_second", 15, whole),
        (f"p50 us at {at_rate}", "p50_us", 18, whole), ("p99 us", "p99_us", 9, whole),
        ("failed", "failed", 8, whole)])
    report.ratios(case, figures, ["nginx", "haproxy", "nftables"], {
        "all": ("cpu_ns", ()), **({} if quick else HTTP_FLOORS), "own": ("own_ns", ()),
        at_rate: ("calm_cpu_ns", ())},
        {("nginx", "all"): GOAL_CONNECTION, ("haproxy", "all"): GOAL_CONNECTION})


def bench_requests(report, quick):
    count, seconds = (1, 1) if quick else (5, 2)
    figures = interleave(HTTP_KINDS if quick else [Floor, Routing] + HTTP_KINDS, count, "tcp",
                         lambda balancer: measure_requests(balancer, seconds))
    case = "e2e requests"
    report.table(f"HTTP, {CONCURRENCY} kept connections", case, figures, [
        ("CPU us/request", "cpu_ns", 16, thousandth), ("requests/s", "per_second", 12, whole),
        ("p50 us", "p50_us", 9, whole), ("p99 us", "p99_us", 9, whole),
        ("failed", "failed", 8, whole)])
    report.ratios(case, figures, ["nginx", "haproxy", "nftables"],
                  {"all": ("cpu_ns", ()), **({} if quick else HTTP_FLOORS)}, {})


def bench_shift(report, quick):
    count, seconds = (1, 1) if quick else (4, 2)
    figures = interleave(HTTP_KINDS, count, "tcp",
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
    parser.add_argument("--quick", action="store_true", help="under 25 s, fewer rounds")
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
