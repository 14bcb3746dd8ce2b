# SPDX-License-Identifier: GPL-2.0-or-later
"""delay_line.py INTERFACE INTERFACE MS: a cable between two, in which every frame is for MS
milliseconds, either way. For kernels without netem."""
import asyncio
import socket
import sys

ETH_P_ALL = 3
SO_RCVBUFFORCE = 33


def open_end(name):
    sock = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(ETH_P_ALL))
    sock.setsockopt(socket.SOL_SOCKET, SO_RCVBUFFORCE, 4 << 20)
    sock.bind((name, 0))
    sock.setblocking(False)
    return sock


def carry(loop, here, there, delay):
    frame, address = here.recvfrom(65536)
    if address[2] != socket.PACKET_OUTGOING:
        loop.call_later(delay, there.send, frame)


async def main():
    loop = asyncio.get_running_loop()
    ends = [open_end(name) for name in sys.argv[1:3]]
    for here, there in (ends, ends[::-1]):
        loop.add_reader(here, carry, loop, here, there, int(sys.argv[3]) / 1000)
    print("ready", flush=True)
    await asyncio.Event().wait()


asyncio.run(main())
