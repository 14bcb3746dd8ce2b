#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""Holds COUNT connections to ADDRESS, each asked once who answers; then asks all of them again, and
again for each line of the fifo GO. Each time a line of JSON: "pool that answered first-what comes
now": how many. What comes is a pool, closed or reset."""
import collections
import json
import socket
import sys

address, count, go = sys.argv[1], int(sys.argv[2]), sys.argv[3]


def ask(connection):
    try:
        connection.sendall(b'GET / HTTP/1.1\r\nHost: a\r\n\r\n')
        data = connection.recv(4096)
        return data.split()[-2].decode() if data else 'closed'
    except ConnectionResetError:
        return 'reset'


held = [socket.create_connection((address, 80), 5) for _ in range(count)]
pools = [ask(connection) for connection in held]
while True:
    answers = map('-'.join, zip(pools, map(ask, held)))
    print(json.dumps(collections.Counter(answers)), flush=True)
    open(go, encoding='ascii').readline()
