# SPDX-License-Identifier: GPL-2.0-or-later
"""fickle_server.py PORT MS LATE_MS: answers a line with a line after MS milliseconds, and closes; but
by the third byte of the client's IPv4 address, LATE_MS after (3), or not at all, with a reset (4).
Prints what it did as JSON when it is told to end."""
import asyncio
import json
import signal
import socket
import struct
import sys

LATE, RESET = 3, 4
done = {"answered": 0, "late": 0, "reset": 0}


def reset(writer):
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    done["reset"] += 1


async def serve(reader, writer):
    kind = int(writer.get_extra_info("peername")[0].split(".")[2])
    await reader.readline()
    if kind == RESET:
        reset(writer)
        return
    await asyncio.sleep(int(sys.argv[3 if kind == LATE else 2]) / 1000)
    done["late" if kind == LATE else "answered"] += 1
    writer.write(b"yes\n")
    writer.close()


async def main():
    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    await asyncio.start_server(serve, "0.0.0.0", int(sys.argv[1]), backlog=1024)
    await end.wait()
    print(json.dumps(done))


asyncio.run(main())
