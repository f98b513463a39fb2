"""A WebSocket server (`websockets`) that counts for each session.

usage: server.py --name s1 --port 0 [--redis SOCKET | --secret SECRET]

The first message of a client is {"session": ID or null} or, with --secret, {"token": TOKEN or
null}; each further one adds, and with --secret has a number: {"sequence": 3}. All are answered by
{"server", "session", "counter"}, with --secret {"server", "sequence", "counter", "token"}.
Standard input: see lines.py.
"""

import argparse
import asyncio
import json
import logging
import uuid

import redis.asyncio
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

import resume_token
from lines import obey, say

SECONDS_KEPT = 600


class Memory:
    """Counters in this process. A session that it does not know is begun anew, and nobody is told.
    Most programs do this."""

    def __init__(self):
        self.counters = {}

    async def resume(self, message):
        session = message["session"]
        if session not in self.counters:
            session = str(uuid.uuid4())
            self.counters[session] = 0
        return session

    async def add(self, session, _message):
        self.counters[session] += 1

    async def tell(self, session):
        return {"session": session, "counter": self.counters[session]}


class Store:
    """Counters in a Redis that all servers share."""

    def __init__(self, path):
        self.redis = redis.asyncio.Redis(unix_socket_path=path)

    async def resume(self, message):
        session = message["session"]
        if session is None or not await self.redis.exists(f"session:{session}"):
            session = str(uuid.uuid4())
            await self.redis.set(f"session:{session}", 0, ex=SECONDS_KEPT)
        return session

    async def add(self, session, _message):
        await self.redis.incr(f"session:{session}")

    async def tell(self, session):
        return {"session": session, "counter": int(await self.redis.get(f"session:{session}"))}


class Token:
    """Counters in the clients' hands, and the newest here as well: see resume_token.py."""

    def __init__(self, secret):
        self.secret = secret.encode()
        self.states = {}

    async def resume(self, message):
        token = message["token"] and resume_token.opened(message["token"], self.secret)
        if not token:
            token = resume_token.State(str(uuid.uuid4()))
        self.states[token.session] = resume_token.newer(self.states.get(token.session), token)
        return token.session

    async def add(self, session, message):
        self.states[session].apply(message["sequence"])

    async def tell(self, session):
        state = self.states[session]
        token = resume_token.signed(state, self.secret)
        return {"counter": state.counter, "sequence": state.sequence, "token": token}


async def main(name, port, sessions):
    async def serve_client(client):
        async def tell(session):
            await client.send(json.dumps({"server": name, **await sessions.tell(session)}))

        try:
            session = await sessions.resume(json.loads(await client.recv()))
            await tell(session)
            async for text in client:
                await sessions.add(session, json.loads(text))
                await tell(session)
        except ConnectionClosed:
            pass  # cut, as a network does that is left

    options = {"compression": None, "ping_interval": None}
    async with serve(serve_client, "127.0.0.1", port, **options) as server:
        say({"port": server.sockets[0].getsockname()[1]})

        async def connected(_command):
            return {"connected": len(server.connections)}

        await obey({"connected": connected})


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--name", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--redis")
    parser.add_argument("--secret")
    given = parser.parse_args()
    # What it would log is clients that are cut; that is what roam does to them.
    logging.getLogger("websockets").setLevel(logging.CRITICAL)
    if given.redis:
        kept = Store(given.redis)
    elif given.secret:
        kept = Token(given.secret)
    else:
        kept = Memory()
    asyncio.run(main(given.name, given.port, kept))
