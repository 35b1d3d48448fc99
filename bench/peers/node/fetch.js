// SPDX-License-Identifier: MIT
//
// HTTP clients on Node: undici's request, its fastest; and fetch, which is undici's, too.
"use strict";

const { Pool, fetch } = require("undici");
const measure = require("../fetch.js");

const [what, ...args] = process.argv.slice(2);
const pool = new Pool(`http://127.0.0.1:${args[0]}`, { connections: Number(args[1]) });

const GET = {
  request: async () => {
    const { statusCode, body } = await pool.request({ path: "/json", method: "GET" });
    return { status: statusCode, body: await body.text() };
  },
  fetch: async (url) => {
    const answer = await fetch(url, { dispatcher: pool });
    return { status: answer.status, body: await answer.text() };
  },
};

measure(GET[what], args);
