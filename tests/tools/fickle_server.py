# SPDX-License-Identifier: GPL-2.0-or-later
"""fickle_server.py PORT MS LATE_MS: answers a line with a line (or an HTTP request, with one) after MS
milliseconds, and closes; but by the third byte of the client's IPv4 address, LATE_MS after (3), or not
at all, with a reset (4) or when the client closes (6). Prints what it did as JSON when it is told to
end."""
import asyncio
import json
import signal
import socket
import struct
import sys

LATE, RESET, IMPATIENT = 3, 4, 6
done = {"answered": 0, "late": 0, "reset": 0}


def reset(writer):
    sock = writer.get_extra_info("socket")
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    writer.transport.abort()
    done["reset"] += 1


async def serve(reader, writer):
    kind = int(writer.get_extra_info("peername")[0].split(".")[2])
    is_http = (await reader.readline()).startswith(b"GET ")
    while is_http and (await reader.readline()).strip():
        pass
    if kind == RESET:
        reset(writer)
        return
    if kind == IMPATIENT:
        await reader.read()
        writer.close()
        return
    await asyncio.sleep(int(sys.argv[3 if kind == LATE else 2]) / 1000)
    done["late" if kind == LATE else "answered"] += 1
    writer.write(b"HTTP/1.0 200 OK\r\n\r\nyes\n" if is_http else b"yes\n")
    writer.close()


async def main():
    end = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, end.set)
    await asyncio.start_server(serve, "0.0.0.0", int(sys.argv[1]), backlog=1024)
    await end.wait()
    print(json.dumps(done))


asyncio.run(main())
