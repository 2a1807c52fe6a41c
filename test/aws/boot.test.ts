import { closeSync, ftruncateSync, openSync, writeSync } from "node:fs";
import * as path from "node:path";
import { afterAll, beforeAll, expect, onTestFinished, test, vi } from "vitest";
import { renderUserData } from "../../provider/src/aws/user-data.js";
import { buildImage } from "../../provider/src/image/index.js";
import { snapshotResource, type SnapshotState } from "../../provider/src/resources/aws/snapshot.js";
import { testContext } from "../../provider/src/resources/testing/context.js";
import { EbsService } from "../../provider/src/targets/aws/testing/ebs-service.js";
import { Computer, MADE_BY } from "../support/computer.js";
import { guestProgram } from "../support/guest.js";
import { Machine } from "../support/machine.js";
import { amazonMetadata } from "../support/metadata-services.js";

const host = new Machine();
let ebs: EbsService;
beforeAll(async () => {
  ebs = await new EbsService().start();
  vi.stubEnv("XDG_CACHE_HOME", host.cacheHome);
});
afterAll(() => {
  vi.unstubAllEnvs();
  ebs.stop();
  host.dispose();
});

/** The disk of a new instance, made of a snapshot's blocks. */
function volumeOf({ snapshotId, volumeSize }: SnapshotState): string {
  const volume = path.join(host.folder, `${snapshotId}.raw`);
  const file = openSync(volume, "w");
  ftruncateSync(file, volumeSize * 2 ** 30);
  for (const [index, block] of ebs.contents(snapshotId)) writeSync(file, block, 0, block.length, index * block.length);
  closeSync(file);
  return volume;
}

const NVME = ["nvme,drive=disk,serial=1,bootindex=0"];
const VIRTIO_SCSI = ["virtio-scsi-pci", "scsi-hd,drive=disk,bootindex=0"];

test("what arrives in a snapshot is a machine of EC2's, and so is what is built upon it by changed blocks", async () => {
  const context = testContext({ preview: false, credentials: { ...ebs.key } });
  const endpoints = { ebs: ebs.endpoint, ec2: ebs.endpoint, sts: ebs.endpoint };
  let former: SnapshotState | undefined;
  /** Uploads a version of the image as the engine has it done, beside or in the place of the former one. */
  const upload = async (version: string): Promise<SnapshotState> => {
    const { digest } = await buildImage(
      { source: { binary: guestProgram("c-server") }, env: { VERSION: version } },
      { baseDir: host.folder, cacheDir: host.cacheDir },
    );
    const inputs = { image: digest, name: "web", region: "eu-central-1", endpoints };
    if (former) await snapshotResource.diff(former.snapshotId, former, inputs, context);
    const { state } = await snapshotResource.create(inputs, context);
    return (former = state);
  };
  const first = await upload("first");
  const second = await upload("second");
  expect(ebs.snapshots.get(second.snapshotId)?.parent).toBe(first.snapshotId);
  const sent = (state: SnapshotState): number => ebs.snapshots.get(state.snapshotId)?.blocks.size ?? 0;
  expect(sent(second)).toBeLessThan(sent(first));

  const requests: string[] = [];
  const userData = renderUserData({ env: { GREETING: "Hello from Amazon" } });
  const metadata = await amazonMetadata(userData, requests);
  onTestFinished(() => void metadata.close());
  for (const [state, version, firmware, devices, namedBy] of [
    [first, "first", "uefi", NVME, "SMBIOS"],
    [second, "second", "uefi", VIRTIO_SCSI, "ACPI"],
    [first, "first", "bios", VIRTIO_SCSI, "SMBIOS"],
    [second, "second", "bios", NVME, "ACPI"],
  ] as const) {
    const how = `the ${version}, under ${firmware}, on ${devices[0]}`;
    const computer = await Computer.start({
      firmware,
      disk: volumeOf(state),
      devices,
      cloud: { options: MADE_BY.Amazon[namedBy], metadataPort: metadata.port },
    });
    onTestFinished(() => computer.stop());
    expect(await computer.text("/"), how).toBe("Hello from Amazon\n");
    expect(await computer.text("/env"), how).toContain(`VERSION=${version}\n`);
    await computer.stop();
    expect(requests.splice(0), how).toContain("PUT /latest/api/token");
  }
});
