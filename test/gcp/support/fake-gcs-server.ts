import { spawn, type ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../support/computer.js";

/** A server of Cloud Storage's API that others wrote, in memory. `npm test` installs it. */
export class FakeGcsServer {
  private constructor(
    private readonly process: ChildProcess,
    readonly endpoint: string,
  ) {}

  static async start(bucket: string): Promise<FakeGcsServer> {
    const port = await freePort();
    const endpoint = `http://127.0.0.1:${port}`;
    const options = ["-scheme", "http", "-host", "127.0.0.1", "-port", String(port), "-backend", "memory"];
    const child = spawn("fake-gcs-server", [...options, "-external-url", endpoint, "-log-level", "error"], {
      stdio: "ignore",
    });
    let complaint: Error | undefined;
    child.once("error", (error) => (complaint = error));
    for (let tries = 0; tries < 300; tries++) {
      if (complaint) throw complaint;
      const answer = await fetch(`${endpoint}/storage/v1/b`, {
        method: "POST",
        headers: { "content-type": "application/json" },
        body: JSON.stringify({ name: bucket }),
      }).catch(() => undefined);
      if (answer?.ok) return new FakeGcsServer(child, endpoint);
      await sleep(100);
    }
    child.kill("SIGKILL");
    throw new Error("fake-gcs-server did not answer within 30 seconds");
  }

  /** An object's bytes. */
  async read(bucket: string, object: string): Promise<Buffer> {
    const url = `${this.endpoint}/storage/v1/b/${bucket}/o/${encodeURIComponent(object)}?alt=media`;
    const answer = await fetch(url);
    if (!answer.ok) throw new Error(`${url} answers ${answer.status}: ${await answer.text()}`);
    return Buffer.from(await answer.arrayBuffer());
  }

  stop(): void {
    this.process.kill("SIGKILL");
  }
}
