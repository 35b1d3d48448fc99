// SPDX-License-Identifier: MIT
//
// A WebSocket echo server on Node, by the package ws.
"use strict";

const { WebSocketServer } = require("ws");

const server = new WebSocketServer({ port: 0, host: "127.0.0.1", backlog: 4096, perMessageDeflate: false });

server.on("connection", (socket) => {
  socket.on("message", (data, isBinary) => socket.send(data, { binary: isBinary }));
});
server.on("listening", () => console.log(`port ${server.address().port}`));
setTimeout(() => process.exit(1), 300000);
