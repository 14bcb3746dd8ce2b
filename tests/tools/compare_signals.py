# SPDX-License-Identifier: GPL-2.0-or-later
"""compare_signals.py SERVICE STATUS CAPTURED CLIENT POOL=ADDRESS=LOG...: whether Serin (STATUS: what
`serin status -o json` said) agrees about a service with tshark (CAPTURED: what capture_signals.py
said), fickle_client.py (CLIENT) and nginx (LOG: of a pool's backend, the lines of which that begin
with ADDRESS are the service's: address, kind, connection, status, seconds). Prints all that differs."""
import json
import math
import sys

COUNTS = ("syns", "syn_retransmits", "fins_in", "resets_by_client", "handshakes", "closed")
REPLY_COUNTS = ("syn_acks", "fins_out", "resets_by_backend", "refused", "resets_before_data",
                "resets_after_data")
different = []


def check(what, serin, peer):
    if serin != peer:
        different.append(f"{what}: Serin has {serin}, {peer}")


def bucket(us):
    """Eight to an octave."""
    octave = math.floor(math.log2(us))
    return 8 * octave + math.floor(us / 2 ** octave * 8) - 8


def check_near(what, serin_us, us):
    if not us or not serin_us or abs(bucket(serin_us) - bucket(us)) > 1:
        different.append(f"{what}: Serin has {serin_us} us, {us}")


def check_capture(pool, has_replies, serin, captured):
    for name in COUNTS + (REPLY_COUNTS if has_replies else ()):
        check(f"{pool} {name} by tshark", serin[name], captured[name])
    failures = captured["refused"] + captured["timed_out"]
    check(f"{pool} timed out by tshark", serin["timed_out"],
          captured["timed_out"] if has_replies else failures)
    failures += captured["resets_before_data"] if has_replies else 0
    check(f"{pool} failures by tshark", serin["failures"], failures)
    check(f"{pool} connections by tshark", serin["sampled"]["flows"], captured["connections"])
    check(f"{pool} flows by tshark", serin["flows"], captured["connections"])
    handshake = "handshake_us" if has_replies else "one_way_handshake_us"
    latencies = {"handshake_us": handshake}
    if has_replies:
        latencies["first_byte_us"] = "first_byte_us"
    for name, theirs in latencies.items():
        check(f"{pool} {name} by tshark", serin[name]["count"], captured[theirs]["count"])
        for quantile in ("p50", "p90"):
            check_near(f"{pool} {name} {quantile} by tshark", serin[name][quantile],
                       captured[theirs][quantile])


def check_nginx(pool, has_replies, serin, address, path):
    with open(path, encoding="utf-8") as log:
        lines = [line.split() for line in log if line.startswith(f"{address} ")]
    status = [line[3] for line in lines]
    check(f"{pool} connections by nginx", serin["handshakes"], len({line[2] for line in lines}))
    check(f"{pool} answers by nginx", serin["closed"], status.count("200"))
    check(f"{pool} given up by nginx", serin["resets_by_client"], status.count("499"))
    if not has_replies:
        return
    check(f"{pool} resets by nginx", serin["resets_before_data"], status.count("444"))
    took = sorted(float(line[4]) * 1e6 for line in lines if line[3] == "200")
    check_near(f"{pool} half of the answers by nginx, and the way there and back",
               serin["first_byte_us"]["p50"],
               took[math.ceil(len(took) / 2) - 1] + serin["handshake_us"]["p50"])


def check_client(has_replies, pools, client):
    sums = {name: sum(pool[name] for pool in pools)
            for name in ("closed", "resets_by_client", "timed_out")}
    check("answers by clients", sums["closed"], client["answered"])
    check("given up by clients", sums["resets_by_client"], client["aborted"])
    if not has_replies:
        check("failed by clients", sums["timed_out"], client["timed_out"] + client["refused"])
        return
    check("timed out by clients", sums["timed_out"], client["timed_out"])
    check("refused by clients", sum(pool["refused"] for pool in pools), client["refused"])
    check("resets by clients", sum(pool["resets_before_data"] for pool in pools), client["reset"])


def read(path):
    with open(path, encoding="utf-8") as text:
        return json.load(text)


def main():
    service = next(s for s in read(sys.argv[2])["services"] if s["name"] == sys.argv[1])
    captured, has_replies = read(sys.argv[3]), service["forwarding"] == "nat"
    signals = {pool["name"]: pool["signals"] for pool in service["pools"]}
    for pool, address, log in (word.split("=") for word in sys.argv[5:]):
        check_capture(pool, has_replies, signals[pool], captured[pool])
        check_nginx(pool, has_replies, signals[pool], address, log)
    check_client(has_replies, signals.values(), read(sys.argv[4]))
    print("\n".join(different))
    sys.exit(bool(different))


main()
