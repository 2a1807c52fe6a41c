import { beforeEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { retry } from "./retry.js";

const pauses: number[] = [];
vi.mock("node:timers/promises", () => ({ setTimeout: async (pause: number) => void pauses.push(pause) }));

beforeEach(() => {
  pauses.length = 0;
  onTestFinished(() => void vi.restoreAllMocks());
});

/** Asks a service that says "later" without end. */
async function insist(random: number): Promise<void> {
  vi.spyOn(Math, "random").mockReturnValue(random);
  const later = new Error("later");
  await expect(retry(() => Promise.reject(later), { when: (error) => error === later })).rejects.toBe(later);
}

describe("who asks again", () => {
  test("waits twice as long each time, up to a limit, and 90 seconds in all at most", async () => {
    await insist(1);
    expect(pauses).toEqual([100, 200, 400, 800, 1600, 3200, 6400, 12_800, 20_000, 20_000, 20_000]);
    expect(pauses.reduce((sum, pause) => sum + pause)).toBeLessThan(90_000);
  });

  test("comes back at another time than others", async () => {
    await insist(0.25);
    expect(pauses.slice(0, 3)).toEqual([25, 50, 100]);
  });

  test("does not after a failure that is for good", async () => {
    let asked = 0;
    const call = (): Promise<never> => Promise.reject(new Error(`no ${++asked}`));
    await expect(retry(call, { when: () => false })).rejects.toThrow("no 1");
    expect(pauses).toEqual([]);
  });
});
