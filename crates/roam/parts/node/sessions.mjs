// Where a server keeps the counter of each session: in its memory, or in a Redis that all share.

import { randomUUID } from "node:crypto";
import { createClient } from "redis";

const SECONDS_KEPT = 600;

export async function sessions(redisSocket) {
  return redisSocket === undefined ? inMemory() : inRedis(await connected(redisSocket));
}

export async function connected(redisSocket) {
  const redis = createClient({ socket: { path: redisSocket } });
  redis.on("error", () => {}); // what fails for it is told where it was asked for
  return redis.connect();
}

// A session that this server does not know is begun anew, and nobody is told. Most programs do
// this.
function inMemory() {
  const counters = new Map();
  return {
    async resume(session) {
      if (counters.has(session)) return { session, counter: counters.get(session) };
      const begun = randomUUID();
      counters.set(begun, 0);
      return { session: begun, counter: 0 };
    },
    async add(session) {
      const counter = counters.get(session) + 1;
      counters.set(session, counter);
      return counter;
    },
  };
}

function inRedis(redis) {
  const key = (session) => `session:${session}`;
  return {
    async resume(session) {
      const counter = session && (await redis.get(key(session)));
      if (counter) return { session, counter: Number(counter) };
      const begun = randomUUID();
      await redis.set(key(begun), 0, { EX: SECONDS_KEPT });
      return { session: begun, counter: 0 };
    },
    add: (session) => redis.incr(key(session)),
  };
}
