"use strict";
const { parentPort, workerData } = require("node:worker_threads");

let primes = 0;
for (let n = 2; n < 20_000; n++) {
  let isPrime = true;
  for (let d = 2; d * d <= n && isPrime; d++) isPrime = n % d !== 0;
  if (isPrime) primes++;
}
Atomics.add(workerData, 0, primes);
parentPort.postMessage(primes);
