# SPDX-License-Identifier: GPL-2.0-or-later
"""capture_signals.py CAPTURE POOL=MAC...: what tshark makes of a capture of TCP connections with
backends that have these addresses, as JSON: by pool, signals by the names Serin gives them. What is a
connection, sent again, or complete is tshark's word, and so are all times."""
import json
import math
import subprocess
import sys

FIELDS = ("tcp.stream", "tcp.time_relative", "eth.src", "eth.dst", "ip.src", "tcp.flags.syn",
          "tcp.flags.ack", "tcp.flags.fin", "tcp.flags.reset", "tcp.len",
          "tcp.analysis.retransmission", "tcp.completeness")
SYN_ONLY, HAS_SYN_ACK = 1, 2  # of tcp.completeness


def read(path):
    """Streams: lists of frames."""
    words = [word for field in FIELDS for word in ("-e", field)]
    lines = subprocess.run(["tshark", "-2", "-r", path, "-Y", "tcp", "-T", "fields", "-E",
                            "separator=,", *words], check=True, text=True,
                           stdout=subprocess.PIPE, stderr=subprocess.DEVNULL).stdout
    streams = {}
    for line in lines.splitlines():
        frame = dict(zip(FIELDS, line.split(",")))
        streams.setdefault(int(frame["tcp.stream"]), []).append(frame)
    return streams.values()


def is_set(frame, *flags):
    return all(frame[f"tcp.flags.{flag}"] in ("1", "True") for flag in flags)


def first_us(frames):
    return float(frames[0]["tcp.time_relative"]) * 1e6 if frames else None


def quantiles(us):
    us = sorted(us)
    rank = {f"p{q}": us[math.ceil(len(us) * q / 100) - 1] if us else None for q in (50, 90)}
    return {"count": len(us), **rank}


def tell(frames):
    """Of one connection, both ends of which are seen."""
    client = frames[0]["ip.src"]
    ours = [f for f in frames if f["ip.src"] == client]
    theirs = [f for f in frames if f["ip.src"] != client]
    syns = [f for f in ours if is_set(f, "syn")]
    acks = [f for f in ours if not is_set(f, "syn") and is_set(f, "ack")]
    syn_acks = [f for f in theirs if is_set(f, "syn", "ack")]
    request = [f for f in ours if f["tcp.len"] != "0"]
    answer = [f for f in theirs if f["tcp.len"] != "0"]
    resets = [f for f in theirs if is_set(f, "reset")]
    fins = [sum(is_set(f, "fin") for f in end) for end in (ours, theirs)]
    completeness = int(frames[-1]["tcp.completeness"])
    took = bool(completeness & HAS_SYN_ACK)
    return {
        "connections": 1, "syns": len(syns), "syn_acks": len(syn_acks),
        "syn_retransmits": sum(bool(f["tcp.analysis.retransmission"]) for f in syns),
        "fins_in": fins[0], "fins_out": fins[1],
        "resets_by_client": sum(is_set(f, "reset") for f in ours),
        "resets_by_backend": len(resets),
        "refused": 0 if took else len(resets),
        "resets_before_data": len(resets) if took and not answer else 0,
        "resets_after_data": len(resets) if answer else 0,
        "handshakes": int(took), "closed": int(all(fins)),
        "timed_out": int(completeness == SYN_ONLY),
        "handshake_us": first_us(syn_acks),
        "one_way_handshake_us": first_us(acks) if took else None,
        "first_byte_us": first_us(answer) - first_us(request) if answer else None,
    }


def main():
    pools = {mac: pool for pool, mac in (word.split("=") for word in sys.argv[2:])}
    told = {pool: [] for pool in pools.values()}
    for frames in read(sys.argv[1]):
        macs = {frame[end] for frame in frames for end in ("eth.src", "eth.dst")}
        told[next(pools[mac] for mac in macs if mac in pools)].append(tell(frames))
    print(json.dumps({pool: {
        name: quantiles([c[name] for c in connections if c[name] is not None])
        if name.endswith("_us") else sum(c[name] for c in connections)
        for name in connections[0]} for pool, connections in told.items()}))


main()
