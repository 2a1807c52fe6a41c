import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import * as net from "node:net";
import * as path from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { scriptedGuest } from "../../provider/src/targets/local/testing/scripted-guest.js";
import { Machine } from "../support/machine.js";
import { Operator, Project } from "../support/operation.js";

let machine: Machine;
let operator: Operator;
let project: Project;
beforeEach(async () => {
  machine = new Machine();
  operator = new Operator();
  const source = { directory: "./rootfs", command: ["/bin/server"] };
  const timeouts = { start: "120 s", stop: "0.2 s" };
  project = new Project(machine, operator, {
    image: { source },
    instance: { memory: "16 MiB", ports: [{ guest: 8080, host: 0 }], timeouts },
  });
  mkdirSync(path.join(project.folder, "rootfs/bin"), { recursive: true });
  writeFileSync(path.join(project.folder, "rootfs/bin/server"), scriptedGuest("halt"), { mode: 0o755 });
  await project.succeed("up");
});
afterEach(() => {
  operator.dispose();
  machine.dispose();
});

/** The host port that leads to the guest, as the state has it. */
function hostPort(): number {
  const state = JSON.parse(readFileSync(path.join(project.folder, "state.json"), "utf8")) as {
    instance: { state: { ports: { host: number }[] } };
  };
  return state.instance.state.ports[0]?.host ?? 0;
}

test("a change that cannot be made leaves the guest that runs alone", async () => {
  const before = machine.guests();
  const holder = net.createServer();
  await new Promise<void>((resolve) => holder.listen(0, "127.0.0.1", resolve));
  const { port } = holder.address() as net.AddressInfo;
  try {
    project.change({ ports: [{ guest: 8080, host: port }] });
    expect((await project.run("up")).error).toContain(
      `Port ${port}/tcp of 127.0.0.1 is already taken by node (process ${process.pid}).`,
    );
    project.change({ memory: "1 MiB" });
    expect((await project.run("up")).error).toMatch(/1 MiB of memory is too small for this image: it needs at least/);

    expect(machine.guests()).toEqual(before);
    project.change({});
    await project.succeed("up");
    expect(machine.guests()).toEqual(before);
  } finally {
    holder.close();
  }
});

test("a guest that is started anew keeps the host port that was chosen for it", async () => {
  const [before] = machine.guests();
  const port = hostPort();
  project.change({ env: { COLOR: "green" } });
  await project.succeed("up");

  expect(machine.guests()).toHaveLength(1);
  expect(machine.guests()).not.toContain(before);
  expect(hostPort()).toBe(port);
});

test("a port that another instance has is told by that instance's name", async () => {
  const port = hostPort();
  // As if it were another resource: without what is known of the first.
  rmSync(path.join(project.folder, "state.json"));
  project.change({ name: "other", ports: [{ guest: 8080, host: port }] });

  expect((await project.run("up")).error).toMatch(
    /is already taken by the instance "web-[0-9a-f]{8}" \(process \d+\)\./,
  );
});

test("a guest whose files somebody removed is found and ended by the next update", async () => {
  rmSync(machine.stateDir, { recursive: true });
  await project.succeed("up");

  expect(machine.guests()).toHaveLength(1);
  await project.succeed("destroy");
  expect(machine.guests()).toEqual([]);
});
