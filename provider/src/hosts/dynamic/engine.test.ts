import * as http2 from "node:http2";
import type { AddressInfo } from "node:net";
import { expect, onTestFinished, test, vi } from "vitest";
import { Engine } from "./engine.js";

const listeners = (): number[] => (["SIGINT", "SIGTERM"] as const).map((name) => process.listenerCount(name));

test("however many operations run at once, a signal ends them all, and is listened to once", async () => {
  const exit = vi.spyOn(process, "exit").mockReturnValue(undefined as never);
  onTestFinished(() => exit.mockRestore());
  const before = listeners();
  const engines = [new Engine(undefined), new Engine(undefined)];
  const signals: AbortSignal[] = [];
  const ends: (() => void)[] = [];
  const operations = Array.from({ length: 12 }, (_, i) =>
    engines[i % 2]!.whileAlive(async (signal) => {
      signals.push(signal);
      await new Promise<void>((resolve) => ends.push(resolve));
    }),
  );
  expect(listeners()).toEqual(before.map((count) => count + 1));

  ends.shift()?.();
  await operations[0];
  expect(listeners()).toEqual(before.map((count) => count + 1));

  process.emit("SIGTERM");
  expect(signals.map(({ aborted }) => aborted)).toEqual([false, ...Array.from({ length: 11 }, () => true)]);
  for (const end of ends) end();
  await Promise.all(operations);
  expect(listeners()).toEqual(before);
  // Each of those that was told to end asks for the process's end.
  await expect.poll(() => exit.mock.calls).toHaveLength(11);
});

test.each([true, false])(
  "an engine that ends takes this process with it, whether something runs (%s) or not",
  async (runs) => {
    const exit = vi.spyOn(process, "exit").mockReturnValue(undefined as never);
    onTestFinished(() => exit.mockRestore());
    const server = http2.createServer();
    const sessions: http2.ServerHttp2Session[] = [];
    server.on("session", (session) => sessions.push(session));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const engine = new Engine(`127.0.0.1:${(server.address() as AddressInfo).port}`);

    const operation = engine.whileAlive(
      (signal) =>
        new Promise<void>((resolve, reject) => {
          if (!runs) resolve();
          signal.addEventListener("abort", () => reject(new Error("aborted")));
        }),
    );
    await expect.poll(() => sessions).toHaveLength(1);
    expect(exit).not.toHaveBeenCalled();
    await engine.confirm();
    server.close();
    for (const session of sessions) session.destroy();

    await expect(engine.confirm()).rejects.toThrow("Pulumi ended");
    if (runs) await expect(operation).rejects.toThrow("Pulumi ended");
    await expect.poll(() => exit.mock.calls).toEqual([[1]]);
  },
);
