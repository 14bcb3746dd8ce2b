#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""hostile_clients.py HOST PORT SOCKET: clients of the agent that it must not mind.

200 that never end their request, a byte at a time; and over and over, by TCP and by the unix socket,
garbage, bodies that are too large or never come, and requests that nobody reads the answer of. Each
that is thrown out comes again. Says "ready" when all have been at it once, and runs until it is
killed.
"""
import random
import socket
import sys
import time

SLOW = 200
OTHERS = 8  # at once, of each kind
PAUSE_S = 0.02

host, port, path = sys.argv[1], int(sys.argv[2]), sys.argv[3]
head = b"GET /metrics HTTP/1.1\r\nHost: serin\r\nX-Slow: "
weights = b"POST /api/v1/services/web/weights HTTP/1.1\r\nHost: serin\r\n"
rng = random.Random(1)


def by_tcp():
    s = socket.socket(socket.AF_INET)
    s.setblocking(False)
    s.connect_ex((host, port))
    return s


def by_socket():
    s = socket.socket(socket.AF_UNIX)
    s.setblocking(False)
    s.connect_ex(path)
    return s


class Client:
    """Sends its text @step bytes at a time, then, where it is a rude one, leaves."""

    def __init__(self, connect, make, step, stays):
        self.connect, self.make, self.step, self.stays = connect, make, step, stays
        self.begun = 0
        self.socket = None

    def begin(self):
        self.text = self.make()
        self.socket = self.connect()
        self.begun += 1

    def turn(self):
        if not self.socket:
            self.begin()
        try:
            sent = self.socket.send(self.text[: self.step])
            self.text = self.text[sent:]
            if not self.text and self.stays:
                self.text = b"a"
            if not self.text:
                raise OSError
            if not self.stays and self.socket.recv(4096) == b"":
                raise OSError
        except BlockingIOError:
            pass
        except OSError:
            self.socket.close()
            self.socket = None


def garbage():
    return rng.randbytes(rng.randrange(1, 40000))


def huge():
    return weights + b"Content-Length: 100000000\r\n\r\n" + bytes(1 << 20)


def endless():
    chunk = b"8000\r\n" + bytes(1 << 15) + b"\r\n"
    return weights + b"Transfer-Encoding: chunked\r\n\r\n" + chunk * 128


def unread():
    return b"GET /api/v1/status HTTP/1.1\r\nHost: serin\r\n\r\n" * 200


clients = [Client(by_tcp, lambda: head, 1, True) for _ in range(SLOW)]
for make in (garbage, huge, endless, unread):
    for connect in (by_tcp, by_socket):
        clients += [Client(connect, make, 65536, make is unread) for _ in range(OTHERS // 2)]
is_ready = False
while True:
    for client in clients:
        client.turn()
    if not is_ready and all(client.begun for client in clients):
        is_ready = True
        print("ready", flush=True)
    time.sleep(PAUSE_S)
