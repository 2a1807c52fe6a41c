import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import * as net from "node:net";
import * as path from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { elf } from "../../provider/src/image/testing/elf.js";
import { tar, writeLayout } from "../../provider/src/image/testing/oci.js";
import { Cli } from "../support/cli.js";
import { withMachine } from "../support/machine.js";

async function listen(server: http.Server | https.Server): Promise<number> {
  onTestFinished(() => {
    server.closeAllConnections();
    server.close();
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return (server.address() as net.AddressInfo).port;
}

test("a registry is reached through the proxy that the environment names, unless NO_PROXY excepts it", async () => {
  await withMachine(async (machine) => {
    const { folder } = machine;
    const layers = [await tar([{ name: "app", content: elf(), mode: 0o755 }])];
    const layout = path.join(folder, "layout");
    writeLayout(layout, { layers, config: { Cmd: ["/app"] } });
    const { manifests } = JSON.parse(readFileSync(path.join(layout, "index.json"), "utf8")) as {
      manifests: { digest: string }[];
    };

    // A registry with a certificate of its own, under a name that nobody can look up.
    const [key, certificate] = [path.join(folder, "key.pem"), path.join(folder, "certificate.pem")];
    const subject = ["-subj", "/CN=registry.example", "-addext", "subjectAltName=DNS:registry.example"];
    const files = ["-keyout", key, "-out", certificate];
    const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
    execFileSync("openssl", ["req", ...kind, ...subject, ...files], { stdio: "pipe" });
    const registry = https.createServer(
      { key: readFileSync(key), cert: readFileSync(certificate) },
      (request, response) => {
        const name = request.url?.split("/").at(-1) ?? "";
        const digest = name === "latest" ? (manifests[0]?.digest ?? "") : name;
        response.end(readFileSync(path.join(layout, "blobs/sha256", digest.replace("sha256:", ""))));
      },
    );
    const registryPort = await listen(registry);
    const asked: string[] = [];
    const proxy = http.createServer().on("connect", (request: http.IncomingMessage, socket: net.Socket) => {
      asked.push(request.url ?? "");
      const onward = net.connect(registryPort, "127.0.0.1", () => {
        socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
        onward.pipe(socket).pipe(onward);
      });
      for (const end of [onward, socket]) end.on("error", () => undefined);
    });
    const address = `http://127.0.0.1:${await listen(proxy)}`;

    const inspect = (env: Record<string, string>): Cli["finished"] =>
      new Cli(machine, ["inspect", "registry.example/web"], {
        env: { HTTPS_PROXY: address, NODE_EXTRA_CA_CERTS: certificate, UNIKERNEL_KERNEL: "/bin/true", ...env },
      }).finished;
    expect(await inspect({ NO_PROXY: "registry.example" })).toMatchObject({
      code: 1,
      stderr: expect.stringContaining(
        'The registry registry.example cannot be reached for "registry.example/web"',
      ) as string,
    });
    expect(asked).toEqual([]);
    expect(await inspect({})).toMatchObject({ code: 0, stdout: expect.stringMatching(/^Command +\/app$/m) as string });
    expect(new Set(asked)).toEqual(new Set(["registry.example:443"]));
  });
});
