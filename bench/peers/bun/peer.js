// SPDX-License-Identifier: MIT

// The Bun peer: promises, one question a run.
//
//     peer.js settled N    awaiting a promise that is settled already
//     peer.js settle N     a promise is made, settled and awaited
//     peer.js each N       N items by eight async functions, which wait once for each

const cpuNs = () => {
    const { user, system } = process.cpuUsage();
    return (user + system) * 1000;
};

async function settled(n) {
    const promise = Promise.resolve(1);
    let sum = 0;
    for (let i = 0; i < n; i++)
        sum += await promise;
    return sum;
}

async function settle(n) {
    let sum = 0;
    for (let i = 0; i < n; i++)
        sum += await new Promise((resolve) => resolve(1));
    return sum;
}

async function each(n) {
    let sum = 0;
    const one = async () => {
        await null;
        sum++;
    };
    for (let done = 0; done < n; done += 1000) {
        let next = 0;
        const lane = async () => {
            while (next < 1000) {
                next++;
                await one();
            }
        };
        await Promise.all(Array.from({ length: 8 }, lane));
    }
    return sum;
}

const ask = { settled, settle, each }[process.argv[2]];
const n = Number(process.argv[3]);
if (ask === undefined || !(n > 0)) {
    console.error("usage: peer.js settled|settle|each N");
    process.exit(2);
}
await ask(Math.min(n, 100000)); // compiled by now
const began = cpuNs();
const count = await ask(n);
console.log(`ns ${((cpuNs() - began) / count).toFixed(4)}`);
