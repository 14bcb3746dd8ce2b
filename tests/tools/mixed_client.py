# SPDX-License-Identifier: GPL-2.0-or-later
"""mixed_client.py VIP SECONDS RATE: RATE connections, handshakes left half open, scans and UDP conversations a
second, of all kinds mixed, to the services of tests/e2e/mixed_load.sh; then waits for those that last.
Prints what it began and how it ended as JSON: {service: {what: count}}.

No address and port is used twice, and an address seldom: so each failure counts by itself."""
import asyncio
import collections
import json
import random
import signal
import socket
import struct
import sys

PORTS = {"web": 80, "full": 81, "shut": 82, "lost": 83, "dns": 53, "dnsf": 54, "void": 55}
PATIENCE_S = 4  # two SYNs sent again, after 1 and 3 s
REFUSED_NET, NETS = 200, 200  # 10.1.REFUSED_NET.0/24 and on is refused by `web`
DSCP = {"half_open": 8, "syn_scan": 16, "ack_scan": 24}
SYN, RST, ACK = 2, 4, 16
# How often each comes in a hundred.
MIX = {("web", "now"): 14, ("full", "now"): 12, ("web", "late"): 3, ("full", "late"): 3,
       ("web", "stall"): 2, ("full", "stall"): 2, ("web", "reset"): 3, ("full", "reset"): 3,
       ("web", "half"): 2, ("full", "half"): 2, ("web", "talk"): 5, ("full", "talk"): 4,
       ("web", "cut_unsent"): 2, ("full", "cut_unsent"): 2, ("web", "cut_waiting"): 2,
       ("full", "cut_waiting"): 2, ("web", "cut_answered"): 2, ("full", "cut_answered"): 2,
       ("web", "refused"): 2, ("shut", "now"): 2, ("lost", "now"): 1,
       ("web", "half_open"): 3, ("full", "half_open"): 3, ("web", "syn_scan"): 2,
       ("full", "syn_scan"): 2, ("web", "ack_scan"): 1, ("none", "port_scan"): 5,
       ("dns", "echo"): 4, ("dnsf", "echo"): 4, ("dns", "mute"): 1, ("dnsf", "mute"): 1,
       ("void", "echo"): 2}
done = collections.defaultdict(collections.Counter)


class Names:
    """Where each comes from: hosts in turn, and for every turn another port."""

    def __init__(self, first_net, nets):
        self.first_net, self.hosts, self.next = first_net, nets * 250, 0

    def take(self):
        turn, host = divmod(self.next, self.hosts)
        self.next += 1
        net = self.first_net + host // 250
        return f"10.{net >> 8}.{net & 255}.{host % 250 + 1}", 1024 + turn


plain, refused, spoofed = (Names(256 + 0, NETS), Names(256 + REFUSED_NET, 20), Names(512, 200))
raw = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)


def checksum(data):
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    total = (total >> 16) + (total & 0xffff)
    return ~(total + (total >> 16)) & 0xffff


def send_raw(source, port, flags, seq, dscp):
    """From an address that answers nothing."""
    src, dst = socket.inet_aton(source[0]), socket.inet_aton(sys.argv[1])
    tcp = struct.pack("!HHIIBBHHH", source[1], port, seq, 1 if flags & ACK else 0, 5 << 4, flags,
                      8192, 0, 0)
    sum_be = checksum(src + dst + struct.pack("!HH", socket.IPPROTO_TCP, len(tcp)) + tcp)
    tcp = tcp[:16] + struct.pack("!H", sum_be) + tcp[18:]
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, dscp << 2, 20 + len(tcp), 0, 0, 64,
                     socket.IPPROTO_TCP, 0, src, dst)
    raw.sendto(ip + tcp, (sys.argv[1], 0))


async def knock(service, kind):
    source, seq = spoofed.take(), random.getrandbits(31)
    if kind == "port_scan":
        send_raw(source, random.randint(1000, 9999), SYN, seq, 0)
        return kind
    send_raw(source, PORTS[service], ACK if kind == "ack_scan" else SYN, seq, DSCP[kind])
    if kind == "syn_scan":
        await asyncio.sleep(0.2)
        send_raw(source, PORTS[service], RST, seq + 1, 0)
    return kind


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def ask(loop, sock, word):
    await loop.sock_sendall(sock, f"{word}\n".encode())
    pool = (await loop.sock_recv(sock, 100)).decode().strip()
    if not pool:
        raise EOFError
    return pool


async def talk(loop, sock, kind):
    """Returns how it ended, and the pool that answered, if one did."""
    if kind == "cut_unsent":
        reset(sock)
        return kind, None
    if kind == "cut_waiting":
        await loop.sock_sendall(sock, b"stall\n")
        await asyncio.sleep(0.2)
        reset(sock)
        return kind, None
    rounds = 5 if kind == "talk" else 1
    for n in range(rounds):
        await asyncio.sleep(0.3 if n else 0)
        pool = await ask(loop, sock, kind if kind in ("late", "stall", "reset", "half") else "now")
    if kind == "cut_answered":
        reset(sock)
        return kind, pool
    if kind == "half":
        await loop.sock_recv(sock, 100)  # it is reset, or was before its answer was read
    return "answered", pool


async def connect(service, kind):
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.bind((refused if kind == "refused" else plain).take())
        try:
            await asyncio.wait_for(loop.sock_connect(sock, (sys.argv[1], PORTS[service])),
                                   PATIENCE_S)
        except asyncio.TimeoutError:
            return "timed_out"
        except ConnectionRefusedError:
            return "refused"
        done[service]["connected"] += 1
        try:
            end, pool = await talk(loop, sock, kind)
        except ConnectionResetError:
            return "was_reset"
        if pool:
            done[service][f"{end} by {pool}"] += 1
        return end


async def converse(service, kind):
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.setblocking(False)
        sock.bind(plain.take())
        sock.connect((sys.argv[1], PORTS[service]))
        try:
            for n in range(3 if (service, kind) != ("void", "echo") else 1):
                sock.send(f"{kind} {n}".encode())
                done[service]["datagrams"] += 1
                if kind == "mute":
                    await asyncio.sleep(0.1)
                else:
                    await asyncio.wait_for(loop.sock_recv(sock, 100), PATIENCE_S)
        except asyncio.TimeoutError:
            return "unanswered"
        except ConnectionRefusedError:
            return "unreachable"
    return kind


async def begin(service, kind):
    done[service]["begun"] += 1
    if kind in DSCP or kind == "port_scan":
        end = await knock(service, kind)
    elif service in ("dns", "dnsf", "void"):
        end = await converse(service, kind)
    else:
        end = await connect(service, kind)
    done[service][end] += 1


async def main():
    loop, tasks, stopped = asyncio.get_running_loop(), set(), asyncio.Event()
    loop.add_signal_handler(signal.SIGTERM, stopped.set)
    rate, kinds = int(sys.argv[3]), list(MIX)
    start = now = loop.time()
    begun = 0
    while now - start < float(sys.argv[2]) and not stopped.is_set():
        while begun < rate * (now - start):
            # A machine that lags behind must not be made to catch up at once.
            begun = max(begun + 1, int(rate * (now - start)) - rate // 10)
            task = loop.create_task(begin(*random.choices(kinds, MIX.values())[0]))
            tasks.add(task)
            task.add_done_callback(tasks.discard)
        await asyncio.sleep(0.005)
        now = loop.time()
    await asyncio.gather(*tasks)
    print(json.dumps(done))


asyncio.run(main())
