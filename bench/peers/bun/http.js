// SPDX-License-Identifier: MIT
//
// An HTTP server on Bun: /json and /plaintext.

const text = "Hello, World!";

const server = Bun.serve({
  port: 0,
  hostname: "127.0.0.1",
  idleTimeout: 255,
  fetch(req) {
    if (req.url.endsWith("/json"))
      return Response.json({ message: text }, { headers: { "Server": "bench" } });
    return new Response(text, { headers: { "Server": "bench", "Content-Type": "text/plain" } });
  },
});

console.log(`port ${server.port}`);
setTimeout(() => process.exit(1), 300000);
