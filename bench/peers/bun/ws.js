// SPDX-License-Identifier: MIT
//
// A WebSocket echo server on Bun, by its own server (uWebSockets).

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  fetch(req, server) {
    return server.upgrade(req) ? undefined : new Response("", { status: 426 });
  },
  websocket: {
    message(ws, message) {
      ws.send(message);
    },
  },
});

console.log(`port ${server.port}`);
setTimeout(() => process.exit(1), 300000);
