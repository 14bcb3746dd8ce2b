#!/usr/bin/python3
# SPDX-License-Identifier: GPL-2.0-or-later
"""datagrams.py SOCKET FILE: appends what comes by a Unix datagram socket, and an empty line each."""
import os
import socket
import sys

fd = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
fd.bind(sys.argv[1] + ".new")
with open(sys.argv[2], "ab", buffering=0) as out:
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    while True:
        out.write(fd.recv(65536).rstrip(b"\n") + b"\n\n")
