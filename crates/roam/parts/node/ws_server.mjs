// A WebSocket server (`ws`) that counts for each session.
//
//   node ws_server.mjs --name s1 --port 0 [--redis SOCKET]
//
// A client names its session in the URL, `/?session=ID`, or none. It is told `{server, session,
// counter}` at once and after every message. Standard input: see lines.mjs.

import { WebSocketServer } from "ws";
import { obey, options, say } from "./lines.mjs";
import { sessions } from "./sessions.mjs";

const { name, port, redis } = options();
const kept = await sessions(redis);
const server = new WebSocketServer({
  host: "127.0.0.1",
  port: Number(port),
  perMessageDeflate: false,
});

server.on("connection", async (client, request) => {
  client.on("error", () => {}); // a reset; the client is gone, as after an end
  const asked = new URL(request.url, "ws://server").searchParams.get("session");
  const resumed = kept.resume(asked);
  const tell = (session, counter) => {
    client.send(JSON.stringify({ server: name, session, counter }));
  };
  client.on("message", async () => {
    const { session } = await resumed;
    tell(session, await kept.add(session));
  });
  const { session, counter } = await resumed;
  tell(session, counter);
});

server.on("listening", () => say({ port: server.address().port }));
server.on("error", (error) => {
  console.error(String(error));
  process.exit(3);
});

await obey({
  connected: () => ({ connected: server.clients.size }),
});
