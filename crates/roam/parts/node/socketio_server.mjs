// A Socket.IO server that counts for each session, in `socket.data`, with connection state
// recovery.
//
//   node socketio_server.mjs --name s1 --port 0 [--redis SOCKET]
//
// With --redis sessions and messages go through the Redis streams adapter, which every server
// reads. Standard input: see lines.mjs.

import { createServer } from "node:http";
import { Server } from "socket.io";
import { createAdapter } from "@socket.io/redis-streams-adapter";
import { obey, options, say } from "./lines.mjs";
import { connected } from "./sessions.mjs";

const MILLISECONDS_KEPT = 600_000;

const { name, port, redis } = options();
const store = redis && (await connected(redis));
const http = createServer();
const io = new Server(http, {
  connectionStateRecovery: { maxDisconnectionDuration: MILLISECONDS_KEPT },
  // Long enough for every message of a run: one that is trimmed cannot be returned to.
  ...(store && { adapter: createAdapter(store, { maxLen: 100_000 }) }),
});

io.on("connection", (socket) => {
  socket.data.counter ??= 0;
  // Recovery needs a message without acknowledgement that the client has received: this is one.
  const tell = () => socket.emit("told", { server: name, counter: socket.data.counter });
  socket.on("add", () => {
    socket.data.counter++;
    tell();
  });
  tell();
});

http.on("error", (error) => {
  console.error(String(error));
  process.exit(3);
});
http.listen(Number(port), "127.0.0.1", () => say({ port: http.address().port }));

await obey({
  async connected() {
    const count = io.of("/").sockets.size;
    // A session is written to Redis when its client goes; the answer to this comes after that
    // write.
    if (store && count === 0) await store.ping();
    return { connected: count };
  },
  // Who was refused in the middle of polling never says goodbye, and would be waited for for 45 s.
  forget() {
    for (const client of Object.values(io.engine.clients)) client.close(true);
    return {};
  },
});
