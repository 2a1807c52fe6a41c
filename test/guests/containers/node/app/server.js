// Uses what Node.js has for doing several things at once, and answers over HTTP.
"use strict";
const { createHash, randomBytes } = require("node:crypto");
const { fork, execFileSync, exec } = require("node:child_process");
const { once } = require("node:events");
const fs = require("node:fs/promises");
const http = require("node:http");
const os = require("node:os");
const { promisify } = require("node:util");
const { Worker } = require("node:worker_threads");
const { gzipSync, gunzipSync } = require("node:zlib");

const answers = {
  "/": () => ({ node: process.version, process: process.pid, greeting: process.env.GREETING }),
  "/cpus": () => ({ cpus: os.availableParallelism?.() ?? os.cpus().length }),
  async "/worker"() {
    const shared = new Int32Array(new SharedArrayBuffer(4));
    const workers = Array.from({ length: 2 }, () => new Worker("./worker.js", { workerData: shared }));
    const primes = await Promise.all(workers.map(async (worker) => (await once(worker, "message"))[0]));
    await Promise.all(workers.map((worker) => worker.terminate()));
    return { primes, total: shared[0] };
  },
  async "/fork"() {
    const child = fork("./child.js", ["argument"]);
    child.send({ question: 6 });
    const [answer] = await once(child, "message");
    child.send("end");
    const [code] = await once(child, "exit");
    return { answer, code };
  },
  async "/subprocess"() {
    const { stdout } = await promisify(exec)("echo $((6 * 7)) | tr 2 3");
    return { shell: stdout.trim(), sorted: execFileSync("sort", { input: "b\na\n" }).toString() };
  },
  async "/files"() {
    const folder = await fs.mkdtemp("/tmp/files-");
    const data = randomBytes(1 << 20);
    await Promise.all(Array.from({ length: 8 }, (_, i) => fs.writeFile(`${folder}/${i}`, data)));
    const names = await fs.readdir(folder);
    const hash = (bytes) => createHash("sha256").update(bytes).digest("hex");
    const same = await Promise.all(
      names.map(async (name) => hash(await fs.readFile(`${folder}/${name}`)) === hash(data)),
    );
    await fs.rm(folder, { recursive: true });
    return { names, same: same.every(Boolean), zipped: gunzipSync(gzipSync(data)).equals(data) };
  },
  async "/fetch"() {
    const own = await (await fetch("http://127.0.0.1:8080/")).json();
    const response = await fetch(process.env.OTHER, { method: "POST", body: "x".repeat(1 << 20) });
    return { own: own.process === process.pid, status: response.status, other: await response.text() };
  },
  // Long enough for V8 to compile and to collect garbage.
  "/compute"() {
    let hash = 0;
    let kept = [];
    for (let i = 0; i < 100_000; i++) {
      kept.push({ i, text: String(i) });
      if (kept.length > 10_000) kept = [];
      hash = (Math.imul(hash, 31) + i) | 0;
    }
    return { hash };
  },
};

const server = http.createServer(async (request, response) => {
  const answer = answers[request.url];
  if (!answer) return void response.writeHead(404).end();
  try {
    response.setHeader("content-type", "application/json").end(JSON.stringify(await answer()));
  } catch (error) {
    response.writeHead(500).end(String(error.stack));
  }
});
server.listen(8080, () => console.log(`Node.js ${process.version} listens`));
process.on("SIGTERM", () => {
  console.log("asked to end");
  server.close(() => process.exit(0));
  server.closeAllConnections();
});
