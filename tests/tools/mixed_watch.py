# SPDX-License-Identifier: GPL-2.0-or-later
"""mixed_watch.py AGENT_PID PIN_DIR SERIN...: reads `SERIN status -o json` and the agent's /metrics again and
again, and shifts weights now and then, until it is told to end. Prints as JSON which counters went back or
vanished, and what the agent and the kernel's maps took, reading by reading.

What is a counter: in the metrics what says so, in the status all that is listed below."""
import glob
import json
import os
import random
import signal
import subprocess
import sys
import time
import urllib.request

METRICS = "http://127.0.0.1:10717/metrics"
SHIFTED = ("web", "full", "dns", "dnsf", "shut")
SHIFT_EVERY = 4
NOT_COUNTED = {"p50", "p90", "p99", "rate"}
PORT_COUNTERS = ("taken", "evicted", "refused", "untold")
ended = False


def numbers(tree, name):
    """Every integer in it, by its path."""
    if isinstance(tree, dict):
        for key, value in tree.items():
            if key not in NOT_COUNTED:
                yield from numbers(value, f"{name}.{key}")
    elif isinstance(tree, int):
        yield name, tree


def status_counters(status):
    yield from numbers(status["verdicts"], "verdicts")
    table = status["flow_table"]
    yield from numbers({k: table[k] for k in ("inserted", "unremembered", "evicted")}, "flow_table")
    for service in status["services"]:
        ports = service.get("source_ports", {})
        yield from numbers({k: ports[k] for k in PORT_COUNTERS if k in ports}, service["name"])
        yield from numbers(service["epoch"], f"{service['name']}.epoch")
        for pool in service["pools"]:
            name = f"{service['name']}.{pool['name']}"
            yield from numbers(pool["signals"], name)
            for backend in pool["backends"]:
                yield from numbers(backend["signals"], f"{name}.{backend['address']}")


def metric_counters(text):
    kinds = {}
    for line in text.splitlines():
        if line.startswith("# TYPE "):
            _, _, family, kind = line.split()
            kinds[family] = kind
        elif not line.startswith("#"):
            name, value = line.rsplit(" ", 1)
            family = name.split("{")[0]
            for end in ("_bucket", "_sum", "_count"):
                if kinds.get(family) is None:
                    family = family.removesuffix(end)
            if kinds[family] in ("counter", "histogram"):
                yield name, float(value)


class Watch:
    def __init__(self, agent, pins, serin):
        self.agent, self.pins, self.serin = agent, pins, serin
        self.last, self.wrong, self.readings, self.compared = {}, [], [], 0
        self.shifts = 0

    def run(self, *words):
        return subprocess.run([*self.serin, *words], check=True, stdout=subprocess.PIPE).stdout

    def compare(self, source, counters):
        last, now = self.last.get(source, {}), dict(counters)
        for name, value in last.items():
            if now.get(name, -1) < value:
                self.wrong.append(f"{source}: {name} was {value}, is {now.get(name)}")
        self.compared += len(last)
        self.last[source] = now

    def map_bytes(self):
        paths = [p for p in glob.glob(f"{self.pins}/**", recursive=True) if os.path.isfile(p)]
        total = 0
        for path in paths:
            shown = subprocess.run(["bpftool", "-j", "map", "show", "pinned", path],
                                   stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
            if not shown.returncode:  # or it is a link
                total += int(json.loads(shown.stdout)["bytes_memlock"])
        return total

    def take(self, with_maps):
        status = json.loads(self.run("status", "-o", "json"))
        self.compare("status", status_counters(status))
        with urllib.request.urlopen(METRICS, timeout=10) as reply:
            self.compare("metrics", metric_counters(reply.read().decode()))
        with open(f"/proc/{self.agent}/status", encoding="ascii") as proc:
            rss = next(int(line.split()[1]) for line in proc if line.startswith("VmRSS"))
        self.readings.append({"rss_kb": rss, "fds": len(os.listdir(f"/proc/{self.agent}/fd")),
                              "entries": status["flow_table"]["entries"]})
        if with_maps:
            self.readings[-1]["map_bytes"] = self.map_bytes()

    def shift(self):
        self.run("weight", random.choice(SHIFTED), f"canary={random.choice((0, 10, 25, 50, 90))}")
        self.shifts += 1


def end(*_):
    global ended
    ended = True


def main():
    signal.signal(signal.SIGTERM, end)
    watch = Watch(sys.argv[1], sys.argv[2], sys.argv[3:])
    while not ended:
        watch.take(len(watch.readings) % 10 == 0)
        if len(watch.readings) % SHIFT_EVERY == 0:
            watch.shift()
        time.sleep(0.7)
    watch.take(True)
    print(json.dumps({"wrong": watch.wrong, "compared": watch.compared, "shifts": watch.shifts,
                      "readings": watch.readings}))


main()
