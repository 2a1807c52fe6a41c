import { readFileSync } from "node:fs";
import * as path from "node:path";
import { expect, test } from "vitest";
import { elf } from "../../provider/src/image/testing/elf.js";
import { tar, writeLayout } from "../../provider/src/image/testing/oci.js";
import { startProxied } from "../../provider/src/image/testing/proxy.js";
import { Cli } from "../support/cli.js";
import { withMachine } from "../support/machine.js";
import { stepsOf } from "../support/registry.js";

const IMAGE = "registry.example/web";

test("a registry is reached through the proxy that the environment names, unless NO_PROXY excepts it", async () => {
  await withMachine(async (machine) => {
    const { folder } = machine;
    const layers = [await tar([{ name: "app", content: elf(), mode: 0o755 }])];
    const layout = path.join(folder, "layout");
    writeLayout(layout, { layers, config: { Cmd: ["/app"] } });
    const { manifests } = JSON.parse(readFileSync(path.join(layout, "index.json"), "utf8")) as {
      manifests: { digest: string }[];
    };
    const { proxy, certificate, asked } = await startProxied(folder, "registry.example", (request, response) => {
      const name = request.url?.split("/").at(-1) ?? "";
      const digest = name === "latest" ? (manifests[0]?.digest ?? "") : name;
      response.end(readFileSync(path.join(layout, "blobs/sha256", digest.replace("sha256:", ""))));
    });

    const inspect = (env: Record<string, string>): Cli["finished"] =>
      new Cli(machine, ["inspect", IMAGE], {
        env: { HTTPS_PROXY: proxy, NODE_EXTRA_CA_CERTS: certificate, UNIKERNEL_KERNEL: "/bin/true", ...env },
      }).finished;
    expect(await inspect({ NO_PROXY: "registry.example" })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        'The registry registry.example cannot be reached for "registry.example/web"',
      ) as string,
    });
    expect(asked).toEqual([]);
    const { code, stdout, stderr } = await inspect({});
    expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringMatching(/^Command +\/app$/m) as string });
    for (const step of stepsOf(IMAGE))
      expect(stderr.split("\n"), "each step that may take long is told").toContain(step);
    expect(new Set(asked)).toEqual(new Set(["registry.example:443"]));
  });
});
