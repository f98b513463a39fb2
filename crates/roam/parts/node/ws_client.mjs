// WebSocket clients (`ws`), many in one process. Commands:
//
//   {"do": "open", "clients": [{"id", "to", "from"}], "adds": 2, "at_once": 16}
//       connects each from its first address, without a session, and adds so often
//       -> {"clients": [{"server", "counter", "sent", "micros"}]}, or {"error"} in place of one
//   {"do": "drop", "ids": [...]}      cuts their connections, as a network does that is left
//       -> {}
//   {"do": "back", ...}               like open, with the session that each had
//   {"do": "time", "id", "adds"}      -> {"micros": [...]}, one a round trip
//   {"do": "forget"}                  cuts all and forgets them
//
// `sent` is what a client has added since it was opened: the counter of a session that is whole.
// Cookies are kept, as a browser does.

import { WebSocket } from "ws";
import { bounded, each, microsecondsSince, obey } from "./lines.mjs";

const clients = new Map();

async function connect(client, { to, from }) {
  const url = `ws://${to}/?session=${client.session ?? ""}`;
  const headers = client.cookie ? { cookie: client.cookie } : {};
  const socket = new WebSocket(url, { localAddress: from[0], headers, perMessageDeflate: false });
  client.socket = socket;
  client.told = [];
  client.failed = undefined;
  client.wake = () => {};
  socket.on("upgrade", (response) => {
    const cookie = response.headers["set-cookie"]?.[0].split(";")[0];
    client.cookie = cookie ?? client.cookie;
  });
  socket.on("message", (data) => {
    client.told.push(JSON.parse(data.toString()));
    client.wake();
  });
  socket.on("error", (error) => (client.failed = error));
  socket.on("close", (code) => {
    client.failed ??= new Error(`closed with ${code}`);
    client.wake();
  });
  return remember(client, await told(client));
}

// What the server says next.
function told(client) {
  const next = new Promise((resolve, reject) => {
    client.wake = () => {
      if (client.told.length > 0) resolve(client.told.shift());
      else if (client.failed) reject(client.failed);
    };
    client.wake();
  });
  return bounded(next, "answer");
}

function remember(client, answer) {
  client.session = answer.session;
  return answer;
}

async function add(client, adds) {
  let answer;
  for (let index = 0; index < adds; index++) {
    client.socket.send("add");
    client.sent++;
    answer = remember(client, await told(client));
  }
  return answer;
}

async function begin(wanted, adds) {
  const client = clients.get(wanted.id);
  const start = performance.now();
  try {
    await connect(client, wanted);
    const micros = microsecondsSince(start);
    const { server, counter } = await add(client, adds);
    return { server, counter, sent: client.sent, micros };
  } catch (error) {
    return { error: String(error) };
  }
}

async function back({ clients: wanted, adds, at_once }) {
  return { clients: await each(wanted, at_once, (one) => begin(one, adds)) };
}

function cut(client) {
  const { socket } = client;
  if (socket.readyState === WebSocket.CLOSED) return undefined;
  const closed = new Promise((resolve) => socket.once("close", resolve));
  socket.terminate();
  return bounded(closed, "end");
}

await obey({
  open(command) {
    for (const { id } of command.clients) clients.set(id, { sent: 0 });
    return back(command);
  },
  back,
  async drop({ ids }) {
    await Promise.all(ids.map((id) => cut(clients.get(id))));
    return {};
  },
  async time({ id, adds }) {
    const micros = [];
    for (let index = 0; index < adds; index++) {
      const start = performance.now();
      await add(clients.get(id), 1);
      micros.push(microsecondsSince(start));
    }
    return { micros };
  },
  async forget() {
    await Promise.all([...clients.values()].map(cut));
    clients.clear();
    return {};
  },
});
