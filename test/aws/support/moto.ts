import { spawn, type ChildProcess } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "../../support/computer.js";

/** A server of AWS's APIs that others wrote, in memory. `npm test` installs it. It checks no signature. */
export class Moto {
  private constructor(
    private readonly process: ChildProcess,
    readonly endpoint: string,
  ) {}

  static async start(): Promise<Moto> {
    const port = await freePort();
    const endpoint = `http://127.0.0.1:${port}`;
    const child = spawn("moto_server", ["--host", "127.0.0.1", "--port", String(port)], { stdio: "ignore" });
    let complaint: Error | undefined;
    child.once("error", (error) => (complaint = error));
    for (let tries = 0; tries < 300; tries++) {
      if (complaint) throw complaint;
      const answer = await fetch(`${endpoint}/moto-api/data.json`).catch(() => undefined);
      if (answer?.ok) return new Moto(child, endpoint);
      await sleep(100);
    }
    child.kill("SIGKILL");
    throw new Error("moto did not answer within 30 seconds");
  }

  stop(): void {
    this.process.kill("SIGKILL");
  }
}
