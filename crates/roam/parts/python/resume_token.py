"""A resume token: the state of a session, signed, in the client's own hands.

Every answer brings a new token. A client that comes back shows its last one, and any server that
knows the secret goes on from it; no server has to ask another. What this needs, and what it does
not do:

- All servers know one secret. Who has it can make any state.
- The state is small, since it travels with every answer, and the client can read it: it is signed,
  not encrypted.
- The client numbers its messages and keeps those that no answer has acknowledged. After it has come
  back it sends them again; a server leaves out numbers that the state already has in it.
- A client can show an older token than its last and so go back in time. A server that still has the
  session in memory takes whichever is newer. Where going back must be impossible (money), the state
  belongs into a store.
"""

import base64
import hashlib
import hmac
import json
from dataclasses import asdict, dataclass


@dataclass
class State:
    """What a session is."""

    session: str
    counter: int = 0
    sequence: int = 0
    """The number of the last message of the client that is in `counter`."""

    def apply(self, sequence: int) -> None:
        """Takes a message in, once, however often it comes."""
        if sequence == self.sequence + 1:
            self.counter += 1
            self.sequence = sequence


def signed(state: State, secret: bytes) -> str:
    body = base64.urlsafe_b64encode(json.dumps(asdict(state)).encode())
    return f"{body.decode()}.{_signature(body, secret)}"


def opened(token: str, secret: bytes) -> State | None:
    """The state in a token; None when it was not made with this secret."""
    body, _, signature = token.partition(".")
    if not hmac.compare_digest(_signature(body.encode(), secret), signature):
        return None
    return State(**json.loads(base64.urlsafe_b64decode(body)))


def newer(left: State | None, right: State | None) -> State | None:
    states = [state for state in (left, right) if state is not None]
    return max(states, key=lambda state: state.sequence, default=None)


def _signature(body: bytes, secret: bytes) -> str:
    return hmac.new(secret, body, hashlib.sha256).hexdigest()
