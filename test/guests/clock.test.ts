import { expect, test } from "vitest";
import { guestProgram } from "../support/guest.js";
import { withMachine } from "../support/machine.js";
import { runImage } from "../support/run.js";

test("who waits for a time of day follows the clock when it is set, and who waits for time to pass does not", async () => {
  await withMachine(async (machine) => {
    const { lines } = await runImage(machine, { source: { binary: guestProgram("clock") } });

    expect(lines).toEqual([
      "before",
      "a sleep to a time of day waits",
      "a condition with a time of day waits",
      "a timer of a time of day waits",
      "a timer's file with a time of day waits",
      "a timer's file that is cancelled waits",
      "a sleep waits",
      "a condition waits",
      "a timer waits",
      "a timer's file waits",
      "an hour on",
      "a sleep to a time of day has ended",
      "a condition with a time of day ETIMEDOUT",
      "a timer of a time of day has ended",
      "a timer's file with a time of day has ended",
      "a timer's file that is cancelled ECANCELED",
      "a sleep waits",
      "a condition waits",
      "a timer waits",
      "a timer's file waits",
      "an hour back, and six seconds",
      "a sleep to a time of day waits",
      "a condition with a time of day waits",
      "a timer of a time of day waits",
      "a timer's file with a time of day waits",
      "an hour on again",
      "a sleep to a time of day has ended",
      "a condition with a time of day ETIMEDOUT",
      "a timer of a time of day has ended",
      "a timer's file with a time of day has ended",
      "",
    ]);
  });
});
