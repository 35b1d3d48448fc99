// SPDX-License-Identifier: MIT
//
// An HTTP server on Node: /json and /plaintext.
"use strict";

const http = require("node:http");

const text = "Hello, World!";

const server = http.createServer((req, res) => {
  if (req.url === "/json") {
    const body = JSON.stringify({ message: text });
    res.writeHead(200, { "Server": "bench", "Content-Type": "application/json",
                         "Content-Length": Buffer.byteLength(body) });
    res.end(body);
  } else {
    res.writeHead(200, { "Server": "bench", "Content-Type": "text/plain", "Content-Length": text.length });
    res.end(text);
  }
});

server.keepAliveTimeout = 300000;
server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  console.log(`port ${server.address().port}`);
});
setTimeout(() => process.exit(1), 300000);
