"""WebSocket clients (`websockets`), many in one process.

usage: client.py [--token]

The commands are those of ../node/ws_client.mjs. With --token each client keeps a token in place of
a session, numbers its messages, leaves one unanswered when it is cut, and sends that one again when
it is back.
"""

import asyncio
import json
import sys
import time

from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed

from lines import obey

BOUND_SECONDS = 20
WITH_TOKEN = "--token" in sys.argv[1:]


class Client:
    def __init__(self):
        self.connection = None
        self.cookie = None
        self.session = None
        self.token = None
        self.sent = 0
        self.acknowledged = 0

    async def connect(self, to, address):
        headers = {"Cookie": self.cookie} if self.cookie else None
        self.connection = await connect(
            f"ws://{to}",
            local_addr=(address, 0),
            additional_headers=headers,
            compression=None,
            ping_interval=None,
            open_timeout=BOUND_SECONDS,
            proxy=None,
        )
        cookie = self.connection.response.headers.get("Set-Cookie")
        self.cookie = cookie.split(";")[0] if cookie else self.cookie
        first = {"token": self.token} if WITH_TOKEN else {"session": self.session}
        return await self.ask(first)

    async def ask(self, message):
        await self.connection.send(json.dumps(message))
        answer = json.loads(await asyncio.wait_for(self.connection.recv(), BOUND_SECONDS))
        self.session = answer.get("session")
        self.token = answer.get("token")
        self.acknowledged = answer.get("sequence", self.sent)
        return answer

    async def replay(self):
        """Sends what no answer has acknowledged again."""
        for sequence in range(self.acknowledged + 1, self.sent + 1):
            await self.ask({"sequence": sequence})

    async def add(self, times):
        answer = None
        for _ in range(times):
            self.sent += 1
            answer = await self.ask({"sequence": self.sent})
        return answer

    async def cut(self):
        if self.connection is None:
            return
        if WITH_TOKEN:
            self.sent += 1
            try:
                await self.connection.send(json.dumps({"sequence": self.sent}))
            except ConnectionClosed:
                pass  # its server has died before: then it is as unanswered as it should be
        self.connection.transport.abort()
        await self.connection.wait_closed()


clients = {}


async def begin(wanted, adds):
    client = clients[wanted["id"]]
    start = time.perf_counter_ns()
    try:
        answer = await client.connect(wanted["to"], wanted["from"][0])
        micros = (time.perf_counter_ns() - start) // 1000
        await client.replay()
        answer = await client.add(adds) or answer
        return {
            "server": answer["server"],
            "counter": answer["counter"],
            "sent": client.sent,
            "micros": micros,
        }
    except Exception as error:  # whatever it is, it is what a user would see
        return {"error": f"{type(error).__name__}: {error}"}


async def back(command):
    at_once = asyncio.Semaphore(command["at_once"])

    async def one(wanted):
        async with at_once:
            return await begin(wanted, command["adds"])

    return {"clients": await asyncio.gather(*map(one, command["clients"]))}


async def opened(command):
    for wanted in command["clients"]:
        clients[wanted["id"]] = Client()
    return await back(command)


async def drop(command):
    await asyncio.gather(*(clients[id].cut() for id in command["ids"]))
    return {}


async def timed(command):
    client = clients[command["id"]]
    micros = []
    for _ in range(command["adds"]):
        start = time.perf_counter_ns()
        await client.add(1)
        micros.append((time.perf_counter_ns() - start) // 1000)
    return {"micros": micros}


async def forget(_command):
    await asyncio.gather(*(client.cut() for client in clients.values()))
    clients.clear()
    return {}


asyncio.run(obey({"open": opened, "back": back, "drop": drop, "time": timed, "forget": forget}))
