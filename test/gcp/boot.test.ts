import { execFileSync } from "node:child_process";
import { mkdirSync, readdirSync, statSync, writeFileSync } from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { buildImage, encodeDisk, openBootDiskFor } from "../../provider/src/image/index.js";
import { renderMetadata } from "../../provider/src/gcp/metadata.js";
import { connect, deleteObject, describeObject, uploadObject } from "../../provider/src/targets/gcp/index.js";
import { Computer, MADE_BY } from "../support/computer.js";
import { guestProgram } from "../support/guest.js";
import { Machine } from "../support/machine.js";
import { googleMetadata } from "../support/metadata-services.js";
import { FakeGcsServer } from "./support/fake-gcs-server.js";

const host = new Machine();
let gcs: FakeGcsServer;
beforeAll(async () => {
  gcs = await FakeGcsServer.start("images");
});
afterAll(() => {
  gcs.stop();
  host.dispose();
});

test("what arrives in a bucket is a machine of Compute Engine's: under UEFI, on virtio-scsi and NVMe, with its metadata", async () => {
  const image = await buildImage(
    { source: { binary: guestProgram("c-server") } },
    { baseDir: host.folder, cacheDir: host.cacheDir },
  );
  const disk = await openBootDiskFor(image, "gce-tar");
  onTestFinished(() => disk.close());
  const bytes = async function* (): AsyncGenerator<Buffer> {
    for await (const { data } of encodeDisk(disk, "gce-tar")) yield data;
  };
  const connection = await connect({ accessToken: "anybody's", endpoint: gcs.endpoint });
  const object = { bucket: "images", name: "web-1/image.tar.gz" };
  const request = { ...object, digest: image.digest, contentType: "application/gzip" };
  const stored = await uploadObject(bytes, connection, request, {
    journal: path.join(host.folder, "uploads/web.json"),
  });
  const archive = await gcs.read("images", "web-1/image.tar.gz");
  expect(archive.length).toBe(stored.size);
  await uploadObject(bytes, connection, request, { journal: path.join(host.folder, "uploads/web.json") });

  // GNU tar's word on what the archive is, beside Google's, which is not to be had here.
  const folder = path.join(host.folder, "imported");
  mkdirSync(folder);
  writeFileSync(path.join(folder, "image.tar.gz"), archive);
  execFileSync("tar", ["--extract", "--gzip", "--sparse", "--file", "image.tar.gz"], { cwd: folder });
  expect(readdirSync(folder)).toEqual(["disk.raw", "image.tar.gz"]);
  const raw = path.join(folder, "disk.raw");
  expect(statSync(raw).size % 2 ** 30).toBe(0);

  const metadata = await googleMetadata({
    "user-data": renderMetadata({ env: { GREETING: "Hello from Google" }, hostname: "web" }),
  });
  onTestFinished(() => void metadata.close());
  // Google's machines name their maker by both; either does. Those of the third generation have their disks on NVMe.
  for (const [namedBy, devices] of [
    ["SMBIOS", ["virtio-scsi-pci", "scsi-hd,drive=disk,bootindex=0"]],
    ["ACPI", ["nvme,drive=disk,serial=1,bootindex=0"]],
  ] as const) {
    const computer = await Computer.start({
      firmware: "uefi",
      disk: raw,
      devices: [...devices],
      cloud: { options: MADE_BY.Google[namedBy], metadataPort: metadata.port },
    });
    onTestFinished(() => computer.stop());
    expect(await computer.text("/"), namedBy).toBe("Hello from Google\n");
    await computer.stop();
  }

  await deleteObject(connection, object);
  expect(await describeObject(connection, object)).toBeUndefined();
});
