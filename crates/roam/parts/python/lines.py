"""A line of JSON in, a line of JSON out: how roam speaks with its servers and clients."""

import asyncio
import json
import sys


def say(value):
    print(json.dumps(value), flush=True)


async def obey(commands):
    """Answers each command {"do": NAME, ...} by the function of that name, until the input ends; so
    a program cannot outlive the roam that has started it."""
    loop = asyncio.get_running_loop()
    while line := await loop.run_in_executor(None, sys.stdin.readline):
        command = json.loads(line)
        try:
            say(await commands[command["do"]](command))
        except Exception as error:  # whatever it is, roam tells it
            say({"error": f"{type(error).__name__}: {error}"})
