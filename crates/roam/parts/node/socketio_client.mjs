// Socket.IO clients, many in one process: polling, then the upgrade, as they come. The commands are
// those of ws_client.mjs, and one more. Each connection of a client comes from the next of its `from`
// addresses, in turn.
//
//   {"do": "knock", "clients": [...], "at_once": 16}
//       whether each comes into a session: a handshake, a request for it, a poll with the answer
//       -> {"errors": [null or why not]}

import { Agent } from "node:http";
import { connect as tcp } from "node:net";
import { io } from "socket.io-client";
import { bounded, each, microsecondsSince, obey } from "./lines.mjs";

const clients = new Map();

// Connects from one address after the other, and can cut everything at once.
class Roaming extends Agent {
  open = new Set();
  next = 0;
  left = false;

  constructor(addresses) {
    super({ keepAlive: false });
    this.addresses = addresses;
  }

  createConnection(options, created) {
    if (this.left) {
      process.nextTick(created, new Error("the network was left"));
      return undefined;
    }
    const localAddress = this.addresses[this.next++ % this.addresses.length];
    const socket = tcp({ ...options, localAddress });
    this.open.add(socket);
    socket.on("close", () => this.open.delete(socket));
    return socket;
  }

  cut() {
    this.left = true;
    for (const socket of this.open) socket.destroy();
  }
}

function client({ id, to }) {
  const socket = io(`http://${to}`, {
    autoConnect: false,
    forceNew: true,
    reconnection: false, // roam says when, and from where
    withCredentials: true, // keeps cookies for as long as one connection stands
    timeout: 20_000,
  });
  const made = { socket, told: [], failed: undefined, sent: 0, wake: () => {} };
  const fail = (error) => {
    made.failed ??= error;
    made.wake();
  };
  socket.on("told", (answer) => {
    made.told.push(answer);
    made.wake();
  });
  // The server's words, where it said some: {"code":1,"message":"Session ID unknown"}.
  socket.io.on("error", (error) => fail(new Error(error.context?.responseText || String(error))));
  socket.on("connect_error", fail);
  socket.on("disconnect", (reason) => fail(new Error(reason)));
  clients.set(id, made);
  return made;
}

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

function connect(client, wanted) {
  dial(client, wanted);
  return greeted(client);
}

function dial(client, { to, from }) {
  const { socket } = client;
  client.agent = new Roaming(from);
  client.told = [];
  client.failed = undefined;
  Object.assign(socket.io, { uri: `http://${to}` });
  socket.io.opts.agent = client.agent;
  // In Node the cookies of a connection end with it; in a browser they do not.
  if (client.cookie) socket.io.opts.extraHeaders = { cookie: client.cookie };
  socket.connect();
  const { engine } = socket.io;
  // One that is cut between two transports notices after 45 s only, so a client is left in peace
  // until then.
  client.settled = new Promise((resolve) => {
    for (const event of ["upgrade", "upgradeError", "close"]) engine.once(event, resolve);
  });
}

async function greeted(client) {
  const { engine } = client.socket.io;
  const answer = await told(client);
  const cookies = [...(engine._cookieJar?.cookies ?? [])];
  const cookie = cookies.map(([name, { value }]) => `${name}=${value}`).join("; ");
  client.cookie = cookie || client.cookie;
  return answer;
}

async function add(client, adds) {
  let answer;
  for (let index = 0; index < adds; index++) {
    client.socket.emit("add");
    client.sent++;
    answer = await told(client);
  }
  return answer;
}

async function begin(wanted, adds) {
  const client = clients.get(wanted.id);
  const start = performance.now();
  try {
    let answer = await connect(client, wanted);
    const micros = microsecondsSince(start);
    await bounded(client.settled, "upgrade");
    answer = (await add(client, adds)) ?? answer;
    return { server: answer.server, counter: answer.counter, sent: client.sent, micros };
  } catch (error) {
    client.agent.cut();
    return { error: error.message };
  }
}

// What a server says of itself is left out: whether that comes with the poll of the session or with
// another one, from another address, is a matter of who is faster.
async function knock(wanted) {
  const made = client(wanted);
  const connected = new Promise((resolve, reject) => {
    made.socket.once("connect", resolve);
    made.wake = () => made.failed && reject(made.failed);
  });
  dial(made, wanted);
  try {
    await bounded(connected, "session");
    await bounded(made.settled, "upgrade");
    return null;
  } catch (error) {
    made.agent.cut();
    return error.message;
  }
}

async function back({ clients: wanted, adds, at_once }) {
  return { clients: await each(wanted, at_once, (one) => begin(one, adds)) };
}

async function cut({ socket, agent }) {
  const { engine } = socket.io;
  if (!engine || engine.readyState === "closed") return;
  const closed = new Promise((resolve) => engine.once("close", resolve));
  agent.cut();
  await bounded(closed, "end");
}

await obey({
  open(command) {
    command.clients.forEach(client);
    return back(command);
  },
  back,
  async knock({ clients: wanted, at_once }) {
    return { errors: await each(wanted, at_once, knock) };
  },
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
