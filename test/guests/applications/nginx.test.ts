import { createHash, randomBytes } from "node:crypto";
import { once } from "node:events";
import * as http from "node:http";
import * as https from "node:https";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Guest, guestContainerFile } from "../../support/guest.js";
import { Machine } from "../../support/machine.js";
import { PATIENCE_MS } from "../../support/limits.js";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.dispose());

const sha256 = (data: Uint8Array): string => createHash("sha256").update(data).digest("hex");

/** The body of an answer over a connection of this agent. */
async function get(agent: http.Agent, url: string): Promise<string> {
  const client = url.startsWith("https:") ? https : http;
  const response = await new Promise<http.IncomingMessage>((resolve, reject) => {
    client.get(url, { agent, timeout: PATIENCE_MS }, resolve).on("error", reject);
  });
  return (await buffer(response)).toString();
}

describe("nginx, with a master, workers and a shell script that sets them up", () => {
  test.each([1, 2])("serves files, keeps connections, speaks TLS and is reloaded on %i CPUs", async (cpus) => {
    const options = { cpus, memory: 64, ports: [8080, 8443], env: { PORT: "8080", GREETING: "good day" } };
    const guest = await Guest.container(machine, "nginx", options);
    const url = `http://127.0.0.1:${guest.port(8080)}`;

    // The script put it there with envsubst.
    const [, pid] = /^good day\nworker (\d+), /.exec(await guest.text("/")) ?? [];
    expect(guest.console()).toContain("default.conf.template has become /etc/nginx/conf.d/default.conf");

    const agent = new http.Agent({ keepAlive: true, maxSockets: 1 });
    const answers = [];
    for (let i = 0; i < 3; i++) answers.push(await get(agent, url));
    expect(answers.map((answer) => /request (\d+) of/.exec(answer)?.[1])).toEqual(["1", "2", "3"]);
    expect(new Set(answers.map((answer) => /connection (\d+)/.exec(answer)?.[1])).size).toBe(1);
    agent.destroy();

    const insecure = new https.Agent({ rejectUnauthorized: false });
    expect(await get(insecure, `https://127.0.0.1:${guest.port(8443)}/`)).toContain("good day");

    // From the image, by sendfile, and from memory.
    const program = guestContainerFile("nginx", "usr/sbin/nginx");
    expect(sha256(await guest.bytes("/programs/nginx"))).toBe(sha256(program));
    const upload = randomBytes(2_000_001);
    expect((await guest.fetch("/upload/file", { method: "PUT", body: upload })).status).toBe(201);
    expect(sha256(await guest.bytes("/upload/file"))).toBe(sha256(upload));
    expect((await guest.fetch("/upload/none")).status).toBe(404);

    // While requests go on, new workers take over and the old ones end.
    const requests = guest.texts("/", 200);
    await guest.fetch("/upload/reload", { method: "PUT", body: "" });
    expect((await requests).every((text) => text.startsWith("good day\n"))).toBe(true);
    await expect.poll(async () => /worker (\d+),/.exec(await guest.text("/"))?.[1]).not.toBe(pid);

    await guest.fetch("/upload/quit", { method: "PUT", body: "" });
    expect(await guest.end()).toMatchObject({ exitCode: 0 });
    expect(guest.console()).toContain('"GET /programs/nginx HTTP/1.1" 200');
    expect(guest.console()).not.toMatch(/^unikernel: /m);
  });

  test("answers what it has begun when its stop signal, SIGQUIT, asks it to end", async () => {
    const guest = await Guest.container(machine, "nginx", { env: { PORT: "8080", GREETING: "good day" } });
    const upload = http.request(`http://127.0.0.1:${guest.port(8080)}/upload/late`, {
      method: "PUT",
      headers: { "content-length": 4, expect: "100-continue" },
    });
    const answer = once(upload, "response");
    upload.flushHeaders();
    await once(upload, "continue");
    await guest.powerDown();
    // The workers have closed their listening sockets, and the one with the request goes on.
    await expect.poll(() => guest.fetch("/").catch(() => "refused")).toBe("refused");
    upload.end("late");

    expect(((await answer) as [http.IncomingMessage])[0].statusCode).toBe(201);
    expect(await guest.end()).toMatchObject({ exitCode: 0 });
  });
});
