# SPDX-License-Identifier: GPL-2.0-or-later
"""mixed_report.py DIR: holds what peers counted against what Serin did, in the files of tests/e2e/mixed_load.sh, and
prints both. Ends with 1 if they differ, a counter went back, or something grew.

Peers are the clients, the servers, and the packet counters of the backends' kernels; the last two by pool."""
import collections
import glob
import json
import statistics
import sys

ETHERNET = 14
POOLS = ("canary", "stable")
TCP, UDP = ("web", "full", "shut", "lost"), ("dns", "dnsf", "void")
PORT = {"web": "8080", "full": "8081", "dns": "8084", "dnsf": "8085"}
OF_PACKETS = ("syns", "syn_acks", "fins_in", "fins_out", "resets_by_client", "resets_by_backend")
RSS_MARGIN_KB = 256
wrong = []


def read(name):
    with open(f"{sys.argv[1]}/{name}", encoding="utf-8") as file:
        return json.load(file)


def read_servers():
    """{pool: {port: {what: count}}}"""
    all_of = {pool: collections.defaultdict(collections.Counter) for pool in POOLS}
    for path in glob.glob(f"{sys.argv[1]}/server.*"):
        server = read(path.rsplit("/", 1)[1])
        for port, counts in server["ports"].items():
            all_of[server["pool"]][port].update(counts)
    return all_of


def read_kernels():
    """{pool: {counter: packets}}, bytes as `..._bytes`, and how many clients the lost SYNs were of."""
    all_of = {pool: collections.Counter() for pool in POOLS}
    for path in glob.glob(f"{sys.argv[1]}/peer.*"):
        of = all_of[path.rsplit(".", 1)[1].rsplit("-", 1)[0]]
        for item in read(path.rsplit("/", 1)[1])["nftables"]:
            if counter := item.get("counter"):
                of[counter["name"]] += counter["packets"]
                of[counter["name"] + "_bytes"] += counter["bytes"]
            if "set" in item:
                of["lost_flows"] += len(item["set"].get("elem", []))
    return all_of


def read_serin():
    """{service: {pool: {signal: count}}}; of a latency and of samples their count."""
    services = {}
    for service in read("status")["services"]:
        pools = services[service["name"]] = {}
        for pool in service["pools"]:
            of = pools[pool["name"]] = {k: v for k, v in pool["signals"].items() if k != "sampled"}
            of.update({k: v["count"] for k, v in of.items() if isinstance(v, dict)})
            of["resets"] = of.get("resets_before_data", 0) + of.get("resets_after_data", 0)
            of["sampled"] = pool["signals"]["sampled"]["flows"]
            of["missed"] = pool["signals"]["sampled"]["missed"]
    return services


def of_packets(service, kernel, signals):
    wanted = {name: kernel[f"{service}_{name}"] for name in signals}
    wanted["packets_in"] = kernel[f"{service}_packets_in"]
    wanted["packets_out"] = kernel[f"{service}_packets_out"] + kernel[f"{service}_unreachables"]
    for way in ("in", "out"):
        size = kernel[f"{service}_packets_{way}_bytes"]
        size += kernel[f"{service}_unreachables_bytes"] if way == "out" else 0
        wanted[f"bytes_{way}"] = size + ETHERNET * wanted[f"packets_{way}"]
    return wanted


def wanted_tcp(service, kernel, server, client, pool):
    """What Serin should say of a pool."""
    wanted = of_packets(service, kernel, OF_PACKETS)
    refused = wanted["syns"] if service == "shut" else kernel[f"{service}_refused"]
    lost = kernel["lost_flows"] if service == "lost" else 0
    handshakes = server["accepted"] + kernel[f"{service}_raw"]
    cut_answered = client.get(f"cut_answered by {pool}", 0)
    wanted.update(flows=handshakes + refused + lost, refused=refused, sampled_refused=refused,
                  handshakes=handshakes, client_half_us=server["accepted"], timed_out=lost,
                  resets_before_data=server["reset_before_data"],
                  resets_after_data=server["reset_after_data"], closed=server["closed"],
                  first_byte_us=server["closed"] + server["reset_after_data"] + cut_answered,
                  failures=refused + lost + server["reset_before_data"])
    wanted["syn_retransmits"] = wanted["syns"] - wanted["flows"]
    wanted["sampled"], wanted["missed"] = wanted["flows"], 0
    return wanted


def wanted_udp(service, kernel, server):
    wanted = of_packets(service, kernel, ())
    gone = kernel[f"{service}_unreachables"]
    flows = kernel["void_packets_in"] if service == "void" else server["udp_echo"] + server["udp_mute"]
    wanted.update(flows=flows, answered=server["udp_echo"], unanswered=server["udp_mute"],
                  unreachables=gone, sampled_unreachables=gone, failures=server["udp_mute"] + gone,
                  sampled=flows, missed=0)
    return wanted


def judge(what, peers, serin):
    if peers != serin:
        wrong.append(f"{what}: peers say {peers}, Serin {serin}")


def judge_pools(serin, client):
    """Prints of all pools what goes by packets and by bytes; all else is only compared."""
    servers, kernels = read_servers(), read_kernels()
    sums, compared = collections.Counter(), 0
    for service in TCP + UDP:
        for pool in POOLS:
            server = servers[pool][PORT.get(service)]
            wanted = (wanted_tcp(service, kernels[pool], server, client[service], pool)
                      if service in TCP else wanted_udp(service, kernels[pool], server))
            for name, value in wanted.items():
                judge(f"{service}/{pool} {name}", value, serin[service][pool][name])
                sums[name] += value
                sums[name, "Serin"] += serin[service][pool][name]
            compared += len(wanted)
            if service in PORT and service in TCP:
                judge(f"{service}/{pool} closed", client[service].get(f"answered by {pool}", 0),
                      serin[service][pool]["closed"])
    for name in ("packets_in", "packets_out", "bytes_in", "bytes_out", *OF_PACKETS, "failures"):
        print(f"  {'all':6}{name:32}{sums[name]:12,}{sums[name, 'Serin']:12,}")
    print(f"  {compared} counts of pools compared with their backends'")


def rows_tcp(of):
    """What clients know, who cannot tell all pools apart, and which signals less which others say it."""
    raw = of["half_open"] + of["syn_scan"]
    cut = of["cut_unsent"] + of["cut_waiting"] + of["cut_answered"]
    yield "connections begun", of["begun"] - of["ack_scan"], ["flows"]
    yield "handshakes", of["connected"] + raw, ["handshakes"]
    yield "  never ended: half open, scans", raw, ["handshakes", "client_half_us"]
    yield "refused", of["refused"], ["refused"]
    yield "timed out", of["timed_out"], ["timed_out"]
    # Not resets_by_backend: what reaches a socket that has reset draws one more, which only kernels count.
    yield "reset by backends", of["was_reset"], ["resets"]
    yield "resets by clients", cut + of["syn_scan"], ["resets_by_client"]
    yield "answered and closed", of["answered"], ["closed"]


def rows_udp(of):
    yield "conversations", of["begun"], ["flows"]
    yield "  datagrams", of["datagrams"], ["packets_in"]
    yield "  answered", of["echo"], ["answered"]
    yield "  without an answer", of["mute"] + of["unanswered"], ["unanswered"]
    yield "  unreachable", of["unreachable"], ["sampled_unreachables"]


def sum_of(service, names):
    first, *less = (sum(pool[name] for pool in service.values()) for name in names)
    return first - sum(less)


def judge_clients(serin, client):
    print(f"{'':40}{'peers':>12}{'Serin':>12}")
    for service in TCP + UDP:
        rows = rows_tcp if service in TCP else rows_udp
        for what, peers, names in rows(collections.Counter(client[service])):
            ours = sum_of(serin[service], names)
            judge(f"{service}: {what}", peers, ours)
            if peers or ours:
                print(f"  {service:6}{what:32}{peers:12,}{ours:12,}")


def judge_verdicts(client):
    status = read("status")
    scans = client["none"]["port_scan"]
    print(f"  {'':6}{'scanned ports of no service':32}{scans:12,}{status['verdicts']['no_service']:12,}")
    judge("scanned ports", scans, status["verdicts"]["no_service"])
    for name in ("unremembered", "evicted"):
        value = status["flow_table"][name]
        judge(f"flows {name}", 0, sum(value.values()) if isinstance(value, dict) else value)


def judge_growth():
    watch = read("watch")
    readings = watch["readings"]
    middle = readings[len(readings) // 3:2 * len(readings) // 3]
    last = readings[-1]
    rss = statistics.median(r["rss_kb"] for r in middle)
    last_rss = min(r["rss_kb"] for r in readings[-5:])  # a pass over the maps comes and goes
    # What answers our reading may have a file open, still.
    fds, last_fds = (min(r["fds"] for r in some) for some in (middle, readings[-5:]))
    maps = [r["map_bytes"] for r in readings if "map_bytes" in r]
    print(f"  counters compared {watch['compared']:,} times in {len(readings):,} readings of status and "
          f"metrics, over {watch['shifts']} shifts")
    print(f"  most flows at once {max(r['entries'] for r in readings):,}, in the end {last['entries']}")
    print(f"  agent: {rss:,.0f} kB in the middle, {last_rss:,} kB in the end; files {fds}, "
          f"{last_fds}; maps {maps[0]:,} bytes, {maps[-1]:,}")
    wrong[:0] = watch["wrong"]
    judge("flows left", 0, last["entries"])
    judge("files of the agent", fds, last_fds)
    judge("bytes of maps", maps[len(maps) // 2], maps[-1])
    if last_rss > rss + RSS_MARGIN_KB:
        wrong.append(f"the agent grew from {rss} to {last_rss} kB")


def main():
    serin, client = read_serin(), read("client")
    judge_clients(serin, client)
    judge_verdicts(client)
    judge_pools(serin, client)
    judge_growth()
    for line in wrong[:40]:
        print(f"WRONG {line}")
    sys.exit(bool(wrong))


main()
