// WebSocket clients in Node (`ws`), many in one process, told what to do by a test. The commands
// and answers are those of the client in Python (../python/client.py), which describes them.

import { createInterface } from "node:readline";
import { WebSocket } from "ws";

const MESSAGE_BYTES_MAX = 32 * 1024 * 1024;
const BOUND_MS = 30_000;

const clients = new Map();

function taken(id) {
  const client = clients.get(id);
  if (client === undefined) throw new Error(`no client ${id}`);
  clients.delete(id);
  return client;
}

// The next message; refuses when the connection ends first.
function message(client) {
  return new Promise((resolve, reject) => {
    const ended = (code) => reject(new Error(`closed with ${code} before a message came`));
    client.once("close", ended);
    client.once("message", (data) => {
      client.off("close", ended);
      resolve(data);
    });
  });
}

function close(client) {
  return new Promise((resolve) => client.once("close", (code) => resolve({ code })));
}

// Position-coded bytes from a seed: xorshift32, four bytes a step.
function pattern(bytes, seed) {
  const words = new Uint32Array(Math.ceil(bytes / 4));
  let state = seed + 1 || 1;
  for (let i = 0; i < words.length; i++) {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    words[i] = state;
  }
  return Buffer.from(words.buffer, 0, bytes);
}

const answers = {
  async open({ id, to, from }) {
    const client = new WebSocket(`ws://${to}`, {
      localAddress: from,
      perMessageDeflate: false,
      maxPayload: MESSAGE_BYTES_MAX,
      handshakeTimeout: BOUND_MS,
    });
    await new Promise((resolve, reject) => {
      client.once("open", resolve);
      client.once("error", reject);
    });
    client.on("error", () => {}); // a reset: "close" with 1006 follows, and says it all
    client.on("close", (code) => (client.closedWith = code));
    clients.set(id, client);
    client.send("hello");
    return { server: (await message(client)).toString().replace(/: hello$/, "") };
  },

  async echo({ id, bytes, seed }) {
    const client = clients.get(id);
    const sent = pattern(bytes, seed);
    client.send(sent, { binary: true });
    const received = await message(client);
    const colon = received.indexOf(": ");
    return {
      server: received.subarray(0, colon).toString(),
      intact: received.subarray(colon + 2).equals(sent),
    };
  },

  close({ id }) {
    const client = taken(id);
    const ended = close(client);
    client.close(1000);
    return ended;
  },

  async lost({ id }) {
    const client = taken(id);
    return client.closedWith === undefined ? close(client) : { code: client.closedWith };
  },
};

async function bounded(work) {
  let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer in ${BOUND_MS} ms`)), BOUND_MS);
  });
  return Promise.race([work, late]).finally(() => clearTimeout(timer));
}

for await (const line of createInterface({ input: process.stdin })) {
  const command = JSON.parse(line);
  (async () => bounded(answers[command.do](command)))()
    .catch((error) => ({ error: String(error) }))
    .then((result) => console.log(JSON.stringify({ n: command.n, ...result })));
}
process.exit(0);
