// SPDX-License-Identifier: MIT
//
// An HTTP/2 server on Node, without TLS: /json.
"use strict";

const http2 = require("node:http2");

const server = http2.createServer();

server.on("stream", (stream, headers) => {
  if (headers[":path"] !== "/json") {
    stream.respond({ ":status": 404 }, { endStream: true });
    return;
  }
  const body = JSON.stringify({ message: "Hello, World!" });
  stream.respond({ ":status": 200, "server": "bench", "content-type": "application/json",
                   "content-length": Buffer.byteLength(body) });
  stream.end(body);
});

server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  console.log(`port ${server.address().port}`);
});
setTimeout(() => process.exit(1), 300000);
