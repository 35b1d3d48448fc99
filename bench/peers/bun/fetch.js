// SPDX-License-Identifier: MIT
//
// Bun's fetch as an HTTP client.

import measure from "../fetch.js";

const get = async (url) => {
  const answer = await fetch(url);
  return { status: answer.status, body: await answer.text() };
};

measure(get, process.argv.slice(2));
