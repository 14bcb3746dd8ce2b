# SPDX-License-Identifier: GPL-2.0-or-later
"""fickle_client.py [--http] VIP PORT RATE KIND=COUNT...: connections from addresses in 10.1.KIND.0/24,
254 by turns, RATE a second, the kinds mixed; each sends a line, or with --http a request, and reads
until the end; but those of kind 6 give up soon after, with a reset. Prints how they ended as JSON."""
import argparse
import asyncio
import json
import socket
import struct

PATIENCE_S = 4  # two SYNs sent again, after 1 and 3 s
IMPATIENT, IMPATIENCE_S = 6, 0.1
HOSTS = 254
ended = {"answered": 0, "refused": 0, "reset": 0, "timed_out": 0}


async def talk(sock, kind, request):
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, request)
    if kind == IMPATIENT:
        await asyncio.sleep(IMPATIENCE_S)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        return "aborted"
    answer = b""
    while piece := await loop.sock_recv(sock, 1000):
        answer += piece
    return "answered" if answer.endswith(b"yes\n") else "reset"


async def connect(options, kind, host):
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        sock.bind((f"10.1.{kind}.{host}", 0))
        try:
            await asyncio.wait_for(loop.sock_connect(sock, (options.vip, options.port)),
                                   PATIENCE_S)
            end = await talk(sock, kind, options.request)
            ended[end] = ended.get(end, 0) + 1
        except asyncio.TimeoutError:
            ended["timed_out"] += 1
        except ConnectionRefusedError:
            ended["refused"] += 1
        except ConnectionResetError:
            ended["reset"] += 1


def mix(counts):
    """Evenly: each next is of the kind that lags most."""
    total, had = sum(counts.values()), dict.fromkeys(counts, 0)
    for n in range(1, total + 1):
        kind = max(counts, key=lambda k: n * counts[k] / total - had[k])
        had[kind] += 1
        yield kind, (had[kind] - 1) % HOSTS + 1


def parse():
    parser = argparse.ArgumentParser()
    parser.add_argument("--http", dest="request", action="store_const",
                        const=b"GET / HTTP/1.0\r\n\r\n", default=b"well?\n")
    parser.add_argument("vip")
    parser.add_argument("port", type=int)
    parser.add_argument("rate", type=int)
    parser.add_argument("counts", nargs="+")
    return parser.parse_args()


async def main():
    options = parse()
    counts = {int(k): int(c) for k, c in (word.split("=") for word in options.counts)}
    loop = asyncio.get_running_loop()
    begin, tasks = loop.time(), []
    for kind, host in mix(counts):
        tasks.append(asyncio.create_task(connect(options, kind, host)))
        await asyncio.sleep(begin + len(tasks) / options.rate - loop.time())
    await asyncio.gather(*tasks)
    print(json.dumps(ended))


asyncio.run(main())
