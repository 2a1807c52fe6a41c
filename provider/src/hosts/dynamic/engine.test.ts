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
