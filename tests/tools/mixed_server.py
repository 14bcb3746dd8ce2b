# SPDX-License-Identifier: GPL-2.0-or-later
"""mixed_server.py POOL TCP_PORT... / UDP_PORT...: does what the first word of a request says, and
prints what it did, by port, as JSON when it is told to end.

TCP: `now`, `late` (after half a second), `stall` (after two), `reset` (instead of an answer), `half` (after
a piece of one). Every few seconds it accepts nobody for a while. A line of several words is answered once
for each. UDP: `echo` is answered, `mute` is not; the second word counts a conversation's datagrams from 0."""
import asyncio
import collections
import json
import signal
import socket
import struct
import sys

DELAY_S = {"late": 0.5, "stall": 2}
ACCEPT_S, PAUSE_S = 4, 0.4
done = collections.defaultdict(collections.Counter)


def reset(sock):
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


async def answer(loop, sock, word, pool):
    await asyncio.sleep(DELAY_S.get(word, 0))
    if word == "reset":
        reset(sock)
        return "reset_before_data"
    await loop.sock_sendall(sock, f"{pool}\n".encode())
    if word == "half":
        reset(sock)
        return "reset_after_data"
    return None


async def serve(loop, sock, port, pool):
    end = None
    try:
        with sock:
            while not end and (line := await loop.sock_recv(sock, 100)):
                done[port]["requests"] += 1
                end = await answer(loop, sock, line.decode().split()[0], pool)
    except ConnectionError:
        end = "cut"
    done[port][end or "closed"] += 1


async def accept(loop, port, pool):
    listener = socket.create_server(("0.0.0.0", port), backlog=4096)
    listener.setblocking(False)
    tasks, resume = set(), loop.time() + ACCEPT_S
    while True:
        sock, _ = await loop.sock_accept(listener)
        sock.setblocking(False)
        done[port]["accepted"] += 1
        task = loop.create_task(serve(loop, sock, port, pool))
        tasks.add(task)
        task.add_done_callback(tasks.discard)
        if loop.time() > resume:
            await asyncio.sleep(PAUSE_S)
            resume = loop.time() + ACCEPT_S


class Datagrams(asyncio.DatagramProtocol):
    def __init__(self, port, pool):
        self.port, self.pool, self.transport = port, pool, None

    def connection_made(self, transport):
        self.transport = transport

    def datagram_received(self, data, addr):
        word, number = data.decode().split()
        done[self.port]["udp_datagrams"] += 1
        if number == "0":
            done[self.port][f"udp_{word}"] += 1
        if word == "echo":
            self.transport.sendto(self.pool.encode(), addr)


async def main():
    pool, words = sys.argv[1], sys.argv[2:]
    middle = words.index("/")
    end, loop = asyncio.Event(), asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGTERM, end.set)
    for port in map(int, words[middle + 1:]):
        await loop.create_datagram_endpoint(lambda p=port: Datagrams(p, pool),
                                            local_addr=("0.0.0.0", port))
    listeners = [loop.create_task(accept(loop, int(port), pool)) for port in words[:middle]]
    await end.wait()
    print(json.dumps({"pool": pool, "ports": done}))
    for listener in listeners:
        listener.cancel()


asyncio.run(main())
