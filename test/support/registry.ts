import { readFileSync } from "node:fs";
import * as path from "node:path";
import { elf } from "../../provider/src/image/testing/elf.js";
import { tar, writeLayout } from "../../provider/src/image/testing/oci.js";
import { startServer } from "../../provider/src/image/testing/registry.js";
import type { Machine } from "./machine.js";

/** A registry that holds one image, of a layer with a program and these. @returns its reference. */
export async function startRegistry(machine: Machine, more: Buffer[] = []): Promise<string> {
  const folder = path.join(machine.folder, "registry");
  const layers = [await tar([{ name: "app", content: elf(), mode: 0o755 }]), ...more];
  writeLayout(folder, { layers, config: { Cmd: ["/app"] } });
  const index = JSON.parse(readFileSync(path.join(folder, "index.json"), "utf8")) as {
    manifests: { digest: string }[];
  };
  const address = await startServer((request, response) => {
    const name = request.url?.split("/").at(-1) ?? "";
    const digest = name === "latest" ? (index.manifests[0]?.digest ?? "") : name;
    response.end(readFileSync(path.join(folder, "blobs/sha256", digest.replace("sha256:", ""))));
  });
  return `${address}/web`;
}

/** What a build of an image from a registry reports of itself, step by step. */
export function stepsOf(image: string): string[] {
  return [`looking up ${image}`, `pulling "${image}"`, `unpacking "${image}"`, `writing the disk for "${image}"`];
}
