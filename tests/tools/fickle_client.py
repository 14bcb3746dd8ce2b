# SPDX-License-Identifier: GPL-2.0-or-later
"""fickle_client.py VIP PORT RATE KIND=COUNT...: connections, each from an address of its own in
10.1.KIND.0/24, RATE a second, the kinds mixed; each sends a line and reads until the end. Prints how
they ended as JSON."""
import asyncio
import json
import socket
import sys

PATIENCE_S = 4  # two SYNs sent again, after 1 and 3 s
ended = {"answered": 0, "refused": 0, "reset": 0, "timed_out": 0}


async def talk(sock):
    loop = asyncio.get_running_loop()
    await loop.sock_sendall(sock, b"well?\n")
    answer = b""
    while piece := await loop.sock_recv(sock, 100):
        answer += piece
    return "answered" if answer == b"yes\n" else "reset"


async def connect(kind, host):
    loop = asyncio.get_running_loop()
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as sock:
        sock.setblocking(False)
        sock.bind((f"10.1.{kind}.{host}", 0))
        try:
            await asyncio.wait_for(loop.sock_connect(sock, (sys.argv[1], int(sys.argv[2]))),
                                   PATIENCE_S)
            ended[await talk(sock)] += 1
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
        yield kind, had[kind]


async def main():
    counts = {int(k): int(c) for k, c in (word.split("=") for word in sys.argv[4:])}
    tasks = []
    for kind, host in mix(counts):
        tasks.append(asyncio.create_task(connect(kind, host)))
        await asyncio.sleep(1 / int(sys.argv[3]))
    await asyncio.gather(*tasks)
    print(json.dumps(ended))


asyncio.run(main())
