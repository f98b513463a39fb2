"""One of the article's echo servers, written for today's `websockets`.

It echoes whatever it receives, with its own name in front, so that a client can tell which server
it has met: text `hello` comes back as `ws1: hello`, binary `...` as `ws1: ...` in bytes.

usage: echo_server.py NAME ADDRESS [PORT]
       echo_server.py NAME unix:PATH

Port 0, the default, takes a free one. Once it listens it prints `listening ADDRESS:PORT` on stdout,
or `listening unix:PATH`.
It runs until it is killed or its standard input ends, so that it cannot outlive a test that died.
"""

import asyncio
import sys

from websockets.asyncio.server import serve, unix_serve

# Larger than the 16 MiB of the largest message in the tests, plus the name.
MESSAGE_BYTES_MAX = 32 * 1024 * 1024


async def main(name: str, address: str, port: int) -> None:
    async def echo(websocket) -> None:
        async for message in websocket:
            if isinstance(message, str):
                await websocket.send(f"{name}: {message}")
            else:
                await websocket.send(name.encode() + b": " + message)

    # No compression: the bytes of a message are the bytes on the wire. No pings: what goes over a
    # connection is what the test sends.
    options = {"max_size": MESSAGE_BYTES_MAX, "compression": None, "ping_interval": None}
    path = address.removeprefix("unix:")
    unix = path != address
    serving = unix_serve(echo, path, **options) if unix else serve(echo, address, port, **options)
    async with serving as server:
        host, taken = (address, "") if unix else server.sockets[0].getsockname()[:2]
        print(f"listening {host}" if unix else f"listening {host}:{taken}", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    if len(sys.argv) not in (3, 4):
        sys.exit(__doc__)
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3]) if len(sys.argv) == 4 else 0))
