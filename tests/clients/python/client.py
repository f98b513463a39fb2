"""WebSocket clients in Python, many in one process, told what to do by a test.

A command is a line of JSON on stdin, its answer a line of JSON on stdout with the same `n`. The
client in Node (../node/client.mjs) speaks the same:

  {"n": 1, "do": "open", "id": "a", "to": "127.0.0.1:8765", "from": "127.0.5.1"}
      -> {"n": 1, "server": "ws2"}          who answered the first message
  {"n": 2, "do": "echo", "id": "a", "bytes": 1000, "seed": 7}
      -> {"n": 2, "server": "ws2", "intact": true}
  {"n": 3, "do": "close", "id": "a"}
      -> {"n": 3, "code": 1000}
  {"n": 4, "do": "lost", "id": "a"}         answered once the connection has ended by itself
      -> {"n": 4, "code": 1006}

What fails is answered with {"n": ..., "error": "..."}.
"""

import asyncio
import json
import random
import sys

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

MESSAGE_BYTES_MAX = 32 * 1024 * 1024
BOUND_SECONDS = 30

clients = {}


async def opened(command):
    host, port = command["to"].rsplit(":", 1)
    client = await connect(
        f"ws://{host}:{port}",
        local_addr=(command["from"], 0),
        max_size=MESSAGE_BYTES_MAX,
        compression=None,
        ping_interval=None,
        open_timeout=BOUND_SECONDS,
        proxy=None,
    )
    clients[command["id"]] = client
    await client.send("hello")
    return {"server": (await client.recv()).removesuffix(": hello")}


async def echoed(command):
    client = clients[command["id"]]
    sent = random.Random(command["seed"]).randbytes(command["bytes"])
    await client.send(sent)
    name, _, received = (await client.recv()).partition(b": ")
    return {"server": name.decode(), "intact": received == sent}


async def closed(command):
    client = clients.pop(command["id"])
    await client.close()
    return {"code": client.close_code}


async def lost(command):
    client = clients.pop(command["id"])
    try:
        await client.recv()
    except ConnectionClosed:
        return {"code": client.close_code}
    raise RuntimeError("a message came that nobody had asked for")


ANSWERS = {"open": opened, "echo": echoed, "close": closed, "lost": lost}


async def answer(command):
    try:
        result = await asyncio.wait_for(ANSWERS[command["do"]](command), BOUND_SECONDS)
    except Exception as error:  # whatever it is, the test wants to read it
        result = {"error": f"{type(error).__name__}: {error}"}
    print(json.dumps({"n": command["n"], **result}), flush=True)


async def main():
    loop = asyncio.get_running_loop()
    running = set()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        task = asyncio.create_task(answer(json.loads(line)))
        running.add(task)
        task.add_done_callback(running.discard)


asyncio.run(main())
