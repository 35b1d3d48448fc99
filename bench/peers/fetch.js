// SPDX-License-Identifier: MIT
//
// What the clients on Node and Bun share: PORT CONNECTIONS WARM COUNT, as bench/client.h has it. `get(url)`
// gives the status and the body of an answer.
"use strict";

const BODY = '{"message":"Hello, World!"}';

module.exports = async function measure(get, args) {
  const [port, connections, warm, count] = args.map(Number);
  const url = `http://127.0.0.1:${port}/json`;
  const took = [];
  let answers = -warm, began = 0, cpu = null;

  const lane = async () => {
    for (;;) {
      const asked = performance.now();
      const { status, body } = await get(url);
      const now = performance.now();
      if (status !== 200 || body !== BODY)
        throw new Error("an answer is not what was asked for");
      if (answers >= 0)
        took.push(now - asked);
      if (++answers === 0) {
        began = now;
        cpu = process.cpuUsage();
      }
      if (answers < count)
        continue;
      const { user, system } = process.cpuUsage(cpu);
      took.sort((a, b) => a - b);
      console.log(`requests ${count}`);
      console.log(`cpu_us ${((user + system) / count).toFixed(4)}`);
      console.log(`requests_per_s ${(count * 1000 / (now - began)).toFixed(4)}`);
      console.log(`p50_us ${(1000 * took[Math.floor(count / 2)]).toFixed(4)}`);
      console.log(`p99_us ${(1000 * took[Math.floor(count * 0.99)]).toFixed(4)}`);
      process.exit(0);
    }
  };
  await Promise.all(Array.from({ length: connections }, lane));
};
