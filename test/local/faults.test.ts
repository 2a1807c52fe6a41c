import { afterAll, describe, expect, test } from "vitest";
import { withMachine } from "../support/machine.js";
import { inLanes, Operator, pointsOf, Project, type Fault, type How, type Outcome } from "../support/operation.js";
import { startRegistry } from "../support/registry.js";

const INSTANCE = {
  memory: "16 MiB",
  ports: [{ guest: 8080, host: 0 }],
  timeouts: { start: "60 s", stop: "0.2 s" },
};
/** A few at a time: much of it is waiting. */
const operators = [new Operator(), new Operator(), new Operator()] as const;
afterAll(() => operators.forEach((operator) => operator.dispose()));

/** Finds the points of an operation, and makes it fail at each, on a new machine every time. */
async function failAtEach(
  operation: "up" | "destroy",
  how: How | ((index: number) => How),
  options: {
    prepare?: (project: Project) => Promise<void>;
    isPoint: (point: string) => boolean;
    verify: (project: Project, outcome: Outcome, point: string) => Promise<void>;
  },
): Promise<void> {
  await withMachine(async (host) => {
    const container = await startRegistry(host);
    const withProject = (operator: Operator, work: (project: Project) => Promise<void>): Promise<void> =>
      withMachine(async (machine) => {
        const project = new Project(machine, operator, { image: { source: { container } }, instance: INSTANCE });
        await options.prepare?.(project);
        await work(project);
      });

    let points: string[] = [];
    await withProject(operators[0], async (project) => {
      points = await pointsOf(project.machine, async (fault) =>
        expect(await project.run(operation, fault)).toEqual({}),
      );
    });
    points = points.filter(options.isPoint);
    expect(points.length).toBeGreaterThan(5);
    await inLanes([...points.entries()], operators, ([index, point], operator) =>
      withProject(operator, async (project) => {
        const fault: Fault = { at: point, how: typeof how === "string" ? how : how(index) };
        const outcome = await project.run(operation, fault);
        await options.verify(project, outcome, point);
      }),
    );
  });
}

const RUNNING = ["", "/console.log", "/instance.json", "/qemu.log", "/qemu.pid", "/qmp.sock", "/status.jsonl"];

/** What a guest that takes the place of another leaves of that. */
const FORMER = "/console.log.1";

/** One guest runs, and nothing is there that is not its. */
function expectRunning(project: Project, point: string): void {
  expect(project.machine.guests(), point).toHaveLength(1);
  const [folder = ""] = project.leftovers();
  const files = project.leftovers().filter((name) => name !== `${folder}${FORMER}`);
  expect(files, point).toEqual(RUNNING.map((name) => `${folder}${name}`));
}

async function expectNothing(project: Project, point: string): Promise<void> {
  await expect.poll(() => project.machine.guests(), { message: point }).toEqual([]);
  expect(project.leftovers(), point).toEqual([]);
}

const isCall = (): boolean => true;
/** A call that has to do with instances: the image is there already. */
const isOfInstance = (point: string): boolean => !point.includes("/cache/");
/** A call that needs room on the disk. */
const takesRoom = (point: string): boolean =>
  /^(mkdir|open|write|rename|link|f?sync)/.test(point) && !point.includes("status.jsonl");

describe("SIGKILL at any call that changes anything", () => {
  test("of a first update: no guest stays, and the next update just works", async () => {
    await failAtEach("up", "SIGKILL", {
      isPoint: isCall,
      verify: async (project, { killed }, point) => {
        expect(killed, point).toBe(true);
        await expect.poll(() => project.machine.guests(), { message: point }).toEqual([]);
        await project.succeed("up");
        expectRunning(project, point);
      },
    });
  });

  test("of an update that starts a guest anew: the next update just works", async () => {
    await failAtEach("up", "SIGKILL", {
      prepare: async (project) => {
        await project.succeed("up");
        project.change({ env: { COLOR: "green" } });
      },
      isPoint: isOfInstance,
      verify: async (project, { killed }, point) => {
        expect(killed, point).toBe(true);
        await project.succeed("up");
        expectRunning(project, point);
        expect(project.leftovers(), point).toContainEqual(expect.stringContaining(FORMER));
      },
    });
  });

  test("of a removal: the next one leaves nothing", async () => {
    await failAtEach("destroy", "SIGKILL", {
      prepare: (project) => project.succeed("up"),
      isPoint: isCall,
      verify: async (project, { killed }, point) => {
        expect(killed, point).toBe(true);
        await project.succeed("destroy");
        await expectNothing(project, point);
      },
    });
  });
});

describe("SIGINT or SIGTERM at any call that changes anything", () => {
  test("of a first update: nothing stays of what was not done, and the next update just works", async () => {
    await failAtEach("up", (index) => (index % 2 === 0 ? "SIGINT" : "SIGTERM"), {
      isPoint: isCall,
      verify: async (project, { interrupted, error }, point) => {
        expect(interrupted, point).toBe(true);
        // With the lock all is done.
        if (/^rm .*\/locks\/web/.test(point)) {
          expect(error, point).toBeUndefined();
          expectRunning(project, point);
        } else {
          expect(error, point).toBe("VisibleError: interrupted");
          await expectNothing(project, point);
        }
        await project.succeed("up");
        expectRunning(project, point);
      },
    });
  });

  test("of an update that starts a guest anew: the next update just works", async () => {
    await failAtEach("up", (index) => (index % 2 === 0 ? "SIGTERM" : "SIGINT"), {
      prepare: async (project) => {
        await project.succeed("up");
        project.change({ env: { COLOR: "green" } });
      },
      isPoint: isOfInstance,
      verify: async (project, { interrupted, error }, point) => {
        expect(interrupted, point).toBe(true);
        // The former guest before it is stopped, the new one with the lock, and in between none, though its process may still be ending.
        if (project.leftovers().length === 0) await expectNothing(project, point);
        else expectRunning(project, point);
        const [guest] = project.machine.guests();
        expect(error, point).toBe(/^rm .*\/locks\/web/.test(point) ? undefined : "VisibleError: interrupted");
        await project.succeed("up");
        expectRunning(project, point);
        if (error !== undefined) expect(project.machine.guests(), point).not.toEqual([guest]);
      },
    });
  });

  test("of a removal: the next one leaves nothing", async () => {
    await failAtEach("destroy", (index) => (index % 2 === 0 ? "SIGINT" : "SIGTERM"), {
      prepare: (project) => project.succeed("up"),
      isPoint: isCall,
      verify: async (project, { interrupted, error }, point) => {
        expect(interrupted, point).toBe(true);
        // What has been begun is done.
        if (error === undefined) await expectNothing(project, point);
        else expectRunning(project, point);
        await project.succeed("destroy");
        await expectNothing(project, point);
      },
    });
  });
});

describe("a disk that is full at any call that needs room", () => {
  test("is told in a sentence, and the next update just works", async () => {
    await failAtEach("up", "ENOSPC", {
      isPoint: takesRoom,
      verify: async (project, { error }, point) => {
        expect(error, point).toMatch(/^VisibleError: The disk that holds .* is full\. Free some space/);
        await expectNothing(project, point);
        await project.succeed("up");
        expectRunning(project, point);
      },
    });
  });
});
