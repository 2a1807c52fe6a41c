// The way of a disk to AWS: what is sent to a service on this machine, and how fast.
import { fork } from "node:child_process";
import { createHash, randomFillSync } from "node:crypto";
import { once } from "node:events";
import fs from "node:fs";
import { createRequire } from "node:module";
import path from "node:path";
import { packLayer, writeLayout } from "../../../scripts/lib/oci-image.mjs";
import { inRoot } from "../../../scripts/lib/paths.mjs";
import { run } from "../../../scripts/lib/process.mjs";
import { applications, contentBytes, imageOf } from "../applications.mjs";
import { median } from "../statistics.mjs";

const require = createRequire(import.meta.url);
const { buildImage, openBootDisk, SNAPSHOT_BLOCK } = require("../../../provider/dist/image/index.js");
const { connect, uploadSnapshot } = require("../../../provider/dist/targets/aws/index.js");

const GIB = 2 ** 30;

/** Calls `use` with a way to send a disk, which gives what {@link uploadSnapshot} gives and the bytes of blocks that have arrived. */
async function withService(folder, use) {
  const service = fork(inRoot("test", "bench", "snapshot-service.mjs"), {
    stdio: ["ignore", "pipe", "inherit", "ipc"],
  });
  try {
    const endpoint = `http://127.0.0.1:${String((await once(service.stdout, "data"))[0]).trim()}`;
    const connection = await connect({
      region: "eu-central-1",
      credentials: { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "example" },
      endpoints: { ebs: endpoint, ec2: endpoint },
    });
    try {
      return await use(async (disk, parent) => {
        const journal = path.join(folder, "upload.jsonl");
        const request = { digest: "disk", volumeSize: Math.ceil(disk.size / GIB), parent };
        const result = await uploadSnapshot(disk, connection, request, { journal });
        // The next one is no continuation.
        fs.rmSync(journal);
        return { ...result, received: await (await fetch(`${endpoint}/received`)).json() };
      });
    } finally {
      connection.close();
    }
  } finally {
    service.kill();
  }
}

async function withDisk(image, use) {
  const disk = await openBootDisk(image, { roundTo: SNAPSHOT_BLOCK });
  try {
    return await use(disk);
  } finally {
    await disk.close();
  }
}

/** The Ruby application's image with one more line in `app.rb`: its upper layer anew, all else as it is. */
async function changedImage(folder) {
  const { container } = applications.ruby.spec.source;
  const blob = (digest) => path.join(inRoot(container), "blobs", "sha256", digest.slice("sha256:".length));
  const read = (file) => JSON.parse(fs.readFileSync(file, "utf8"));
  const manifest = read(blob(read(path.join(inRoot(container), "index.json")).manifests[0].digest));
  const { config, rootfs } = read(blob(manifest.config.digest));
  const base = path.join(folder, "base.tar");
  fs.copyFileSync(blob(manifest.layers[0].digest), base);
  const tree = path.join(folder, "application");
  fs.mkdirSync(tree);
  await run("tar", ["--extract", "--file", blob(manifest.layers[1].digest), "--directory", tree]);
  fs.appendFileSync(path.join(tree, "app", "app.rb"), "# One line more.\n");
  const layout = path.join(folder, "changed");
  writeLayout(
    layout,
    [
      { ...manifest.layers[0], file: base, diffId: rootfs.diff_ids[0] },
      await packLayer(tree, `${tree}.tar`, { compress: true }),
    ],
    config,
  );
  return buildImage({ ...applications.ruby.spec, source: { container: layout } }, { baseDir: folder });
}

/** What travels the first time beyond the application's own files, in MiB, and in blocks after a change of a line. */
export async function bytesSent(folder) {
  const image = await imageOf("ruby");
  const changed = await changedImage(folder);
  return withService(folder, async (send) => {
    const first = await withDisk(image, (disk) => send(disk));
    const parent = { id: first.id, blocks: first.blocks };
    const second = await withDisk(changed, (disk) => send(disk, parent));
    return {
      first: { value: (first.received - (await contentBytes(image))) / 2 ** 20 },
      change: { value: second.received / SNAPSHOT_BLOCK },
    };
  });
}

const sample = 512 * 2 ** 20;
/** Less cannot be asked for. */
const fast = 500;

/** MB/s of an upload of half a GiB, and what it is held to: the SHA-256 of one core, when that is less than 500 MB/s. */
export async function uploadRate(folder, rounds) {
  const file = path.join(folder, "sample");
  const piece = randomFillSync(Buffer.alloc(16 * 2 ** 20));
  const handle = await fs.promises.open(file, "w+");
  for (let offset = 0; offset < sample; offset += piece.length) {
    // No block of it is like another.
    piece.writeUInt32LE(offset / piece.length);
    await handle.write(piece, 0, piece.length, offset);
  }
  const disk = {
    size: sample,
    extents: [{ offset: 0, length: sample }],
    async readInto(offset, target) {
      await handle.read(target, 0, target.length, offset);
    },
  };
  const [uploads, hashes] = [[], []];
  try {
    await withService(folder, async (send) => {
      for (let round = 0; round < rounds; round++) {
        const began = performance.now();
        const { received } = await send(disk);
        uploads.push(received / (performance.now() - began) / 1000);
        hashes.push(hashRate(piece));
      }
    });
  } finally {
    await handle.close();
    fs.rmSync(file);
  }
  return { upload: { value: median(uploads), values: uploads }, target: Math.min(fast, median(hashes)), hashes };
}

function hashRate(data) {
  const began = performance.now();
  for (let i = 0; i < 8; i++) createHash("sha256").update(data).digest();
  return (8 * data.length) / (performance.now() - began) / 1000;
}
