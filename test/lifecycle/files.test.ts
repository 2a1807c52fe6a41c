import { copyFileSync, readFileSync } from "node:fs";
import * as path from "node:path";
import { expect, test } from "vitest";
import { guestProgram } from "../support/guest.js";
import { withMachine } from "../support/machine.js";
import { pulumi, TestStack, unikernel } from "../support/stack.js";

test("an instance's files reach the guest at boot, not its image, and a secret one is nowhere in the open", async () => {
  await withMachine(async (machine) => {
    const stack = new TestStack(machine);
    copyFileSync(guestProgram("show-instance"), path.join(stack.folder, "rootfs/bin/server"));
    const command = ["/bin/server", "/etc/app/key", "/etc/plain"];
    const consoleOf = (): string =>
      readFileSync(path.join(machine.stateDir, "instances/web/console.log"), "utf8").replaceAll("\r", "");
    const program = (key: string) => async () => {
      const image = new unikernel.Image("image", { source: { directory: "./rootfs", command } });
      const files = {
        "/etc/app/key": { content: pulumi.secret(key), encoding: "base64", permissions: "0600" } as const,
        "/etc/plain": pulumi.interpolate`of ${image.architecture}`,
      };
      new unikernel.Instance("web", { image, name: "web", memory: "32 MiB", files });
      return { digest: image.digest };
    };

    stack.program = program("aHVzaC1odXNo");
    const first = await stack.up();
    expect(consoleOf()).toContain("file /etc/app/key: 600 0:0 hush-hush\nfile /etc/plain: 644 0:0 of x86_64\n");
    expect(stack.stateText()).not.toContain("aHVzaC1odXNo");
    expect(first.output).not.toContain("aHVzaC1odXNo");

    stack.program = program("b3RoZXI=");
    const second = await stack.up();
    expect(second.changes).toEqual({ image: "same", web: "update" });
    expect(second.outputs["digest"]).toBe(first.outputs["digest"]);
    expect(consoleOf()).toContain("file /etc/app/key: 600 0:0 other\n");
  });
});
