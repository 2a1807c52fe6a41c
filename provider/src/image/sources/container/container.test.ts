import { execFileSync } from "node:child_process";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, truncateSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gunzipSync, gzipSync } from "node:zlib";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { VisibleError } from "../../errors.js";
import { resolveSource } from "../resolve-source.js";
import { sourceContext } from "../../testing/context.js";
import { elf } from "../../testing/elf.js";
import { compress, type Compression, tar, writeLayout } from "../../testing/oci.js";
import { startRegistry, startServer } from "../../testing/registry.js";
import { temporaryDirectory } from "../../testing/temporary.js";
import { walk } from "../../tree.js";
import { treeDigest } from "../../tree-digest.js";
import type { Index, Manifest } from "./manifest.js";
import { parseReference } from "./reference.js";

const CONFIG = {
  Entrypoint: ["/app"],
  Cmd: ["serve"],
  Env: ["A=1"],
  WorkingDir: "/srv",
  User: "7:8",
  ExposedPorts: { "80/tcp": {} },
  Labels: { note: "x" },
};

/** A folder with an image of two layers in `layout`. */
async function folderWithImage(): Promise<{ folder: string; layers: string[] }> {
  const folder = temporaryDirectory();
  const layers = [
    await tar([
      { name: "app", content: elf(), mode: 0o755 },
      { name: "data", content: "lower" },
    ]),
    await tar([{ name: "data", content: "upper" }]),
  ];
  return { folder, layers: writeLayout(join(folder, "layout"), { layers, config: CONFIG }).layers };
}

function blobOf(folder: string, digest: string | undefined): string {
  return join(folder, "layout/blobs/sha256", digest?.slice("sha256:".length) ?? "");
}

function skopeo(...args: string[]): void {
  execFileSync("skopeo", ["--insecure-policy", ...args], {
    stdio: "pipe",
    env: { ...process.env, HOME: temporaryDirectory() },
  });
}

async function load(container: string, baseDir: string): Promise<{ key: string; digest: string; defaults: object }> {
  const source = await resolveSource({ container }, await sourceContext(baseDir));
  const { tree, defaults } = await source.load();
  return { key: source.key, digest: treeDigest(tree), defaults };
}

beforeEach(() => vi.stubEnv("DOCKER_CONFIG", temporaryDirectory()));
afterEach(() => vi.unstubAllEnvs());

describe("a container image", () => {
  test("is the same from a layout, every kind of archive, and a registry", async () => {
    const { folder } = await folderWithImage();
    const expected = await load("./layout", folder);
    expect(expected.defaults).toEqual({
      entrypoint: ["/app"],
      cmd: ["serve"],
      env: ["A=1"],
      workingDir: "/srv",
      user: "7:8",
      exposedPorts: ["80/tcp"],
      annotations: {
        "org.opencontainers.image.os": "linux",
        "org.opencontainers.image.architecture": "amd64",
        "org.opencontainers.image.exposedPorts": "80/tcp",
        note: "x",
      },
    });

    const from = `oci:${join(folder, "layout")}`;
    skopeo("copy", from, `docker-archive:${join(folder, "docker.tar")}:web:1`);
    skopeo("copy", from, `oci-archive:${join(folder, "oci.tar")}`);
    writeFileSync(join(folder, "docker.tar.gz"), gzipSync(readFileSync(join(folder, "docker.tar"))));
    execFileSync("tar", ["-C", join(folder, "layout"), "-cf", join(folder, "layout.tar"), "."]);
    const registry = await startRegistry();
    skopeo("copy", "--dest-tls-verify=false", from, `docker://${registry}/team/web:1`);

    for (const container of [
      "./docker.tar",
      "docker.tar",
      "./docker.tar:1",
      "./docker.tar.gz",
      "./oci.tar",
      "./layout.tar",
      `${registry}/team/web:1`,
    ]) {
      const found = await load(container, folder);
      expect(found.digest, container).toBe(expected.digest);
      expect(found.defaults, container).toEqual(expected.defaults);
    }
    for (const container of ["./oci.tar", "./layout.tar", `${registry}/team/web:1`]) {
      expect((await load(container, folder)).key).toBe(expected.key);
    }
  });

  /** An archive as crane, kaniko, ko and Jib write it: Docker's own form, with compressed layers. `change` damages these. */
  async function archiveOfCompressedLayers(
    compression: Compression,
    change: (layers: Buffer[]) => Buffer[] = (layers) => layers,
  ): Promise<{ folder: string }> {
    const { folder } = await folderWithImage();
    const blob = (digest: string): Buffer => readFileSync(blobOf(folder, digest));
    const index = JSON.parse(readFileSync(join(folder, "layout/index.json"), "utf8")) as Index;
    const manifest = JSON.parse(blob(index.manifests[0]?.digest ?? "").toString()) as Manifest;
    const stored = change(manifest.layers.map(({ digest }) => compress(gunzipSync(blob(digest)), compression)));
    const names = stored.map((_, number) => `${number}.tar.gz`);
    const document = [{ Config: manifest.config.digest, RepoTags: ["web:1"], Layers: names }];
    const archive = await tar([
      { name: manifest.config.digest, content: blob(manifest.config.digest) },
      ...stored.map((content, number) => ({ name: names[number] as string, content })),
      { name: "manifest.json", content: JSON.stringify(document) },
    ]);
    writeFileSync(join(folder, "image.tar"), archive);
    return { folder };
  }

  test.each<Compression>(["gzip", "zstd", "none"])(
    "is the same from an archive of Docker's own form whose layers are compressed: %s",
    async (compression) => {
      const { folder } = await archiveOfCompressedLayers(compression);
      const { digest, defaults } = await load("./image.tar", folder);
      expect({ digest, defaults }).toEqual(
        (({ digest, defaults }) => ({ digest, defaults }))(await load("./layout", folder)),
      );
    },
  );

  test("in such an archive that is damaged is refused with a sentence", async () => {
    const flipped = ([first = Buffer.alloc(0), ...rest]: Buffer[]): Buffer[] => {
      const bytes = Buffer.from(first);
      bytes[bytes.length - 20] = (bytes[bytes.length - 20] as number) ^ 0xff;
      return [bytes, ...rest];
    };
    for (const [compression, change] of [
      ["gzip", (layers: Buffer[]) => layers.toReversed()],
      ["none", (layers: Buffer[]) => layers.toReversed()],
      ["none", flipped],
    ] as const) {
      const { folder } = await archiveOfCompressedLayers(compression, change);
      await expect(load("./image.tar", folder)).rejects.toThrow(
        /^The layer sha256:[0-9a-f]{12}… of "\.\/image\.tar" does not match its digest\. Copy or pull the image again\./,
      );
    }
    for (const change of [flipped, ([first, ...rest]: Buffer[]) => [first!.subarray(0, -30), ...rest]]) {
      const { folder } = await archiveOfCompressedLayers("gzip", change);
      await expect(load("./image.tar", folder)).rejects.toThrow(
        /^The layer sha256:[0-9a-f]{12}… of "\.\/image\.tar" (is damaged or cut short: it cannot be decompressed|does not match its digest)/,
      );
    }
  });

  test("unpacks as umoci unpacks it", async () => {
    const folder = temporaryDirectory();
    const layers = [
      await tar([
        { name: "a/", type: "directory" },
        { name: "a/f", content: "1" },
        { name: "a/g", content: "2" },
        { name: "b", type: "symlink", linkname: "a" },
      ]),
      await tar([
        { name: "a/.wh.f", content: "" },
        { name: "a/h", type: "link", linkname: "a/g" },
        { name: "c/.wh..wh..opq", content: "" },
        { name: "c/d", content: "3" },
      ]),
    ];
    writeLayout(join(folder, "layout"), { layers }, { tag: "v1" });
    execFileSync("umoci", ["unpack", "--rootless", "--image", `${join(folder, "layout")}:v1`, join(folder, "bundle")], {
      stdio: "pipe",
    });
    const listed = execFileSync("find", [".", "-mindepth", "1", "-printf", "%P %y %l\n"], {
      cwd: join(folder, "bundle/rootfs"),
      encoding: "utf8",
    });
    const source = await resolveSource({ container: "./layout" }, await sourceContext(folder));
    const { tree } = await source.load();
    const found = [...walk(tree)].map(
      ([path, inode]) =>
        `${path.slice(1)} ${inode.type.charAt(0).replace("s", "l")} ${inode.type === "symlink" ? inode.target : ""}`,
    );
    expect(found.sort()).toEqual(listed.split("\n").filter(Boolean).sort());
  });

  test("is chosen by tag and by platform", async () => {
    const folder = temporaryDirectory();
    const layout = join(folder, "layout");
    const layer = async (content: string): Promise<Buffer> => tar([{ name: "f", content }]);
    const arm = writeLayout(layout, { layers: [await layer("arm")], platform: { os: "linux", architecture: "arm64" } });
    const { manifest } = writeLayout(layout, { layers: [await layer("one")] }, { tag: "one", append: [arm.manifest] });
    writeLayout(layout, { layers: [await layer("two")] }, { tag: "two", append: [arm.manifest, manifest] });
    expect((await load("./layout:one", folder)).digest).not.toBe((await load("./layout:two", folder)).digest);
    await expect(load("./layout", folder)).rejects.toThrow(
      '"./layout" holds several images: one, two. Add one of these tags, as in "./layout:one".',
    );
    await expect(load("./layout:three", folder)).rejects.toThrow(
      '"./layout" holds no image with the tag "three", only one, two.',
    );

    const other = join(folder, "other");
    writeLayout(other, { layers: [await layer("arm")], platform: { os: "linux", architecture: "arm64" } });
    await expect(load("./other", folder)).rejects.toThrow(
      '"./other" has no image for linux/amd64, only for linux/arm64.',
    );
  });

  test("that is damaged or incomplete is refused with a sentence", async () => {
    const damaged = await folderWithImage();
    const blob = blobOf(damaged.folder, damaged.layers[0]);
    const bytes = readFileSync(blob);
    bytes[bytes.length - 20] = (bytes[bytes.length - 20] as number) ^ 0xff;
    writeFileSync(blob, bytes);
    await expect(load("./layout", damaged.folder)).rejects.toThrow(
      /^The layer sha256:[0-9a-f]{12}… of "\.\/layout" does not match its digest\. Copy or pull the image again\./,
    );

    const exchanged = await folderWithImage();
    writeFileSync(
      blobOf(exchanged.folder, exchanged.layers[0]),
      readFileSync(blobOf(exchanged.folder, exchanged.layers[1])),
    );
    await expect(load("./layout", exchanged.folder)).rejects.toThrow("does not match its digest");

    const cut = await folderWithImage();
    truncateSync(blobOf(cut.folder, cut.layers[0]), 100);
    await expect(load("./layout", cut.folder)).rejects.toThrow(
      /does not match its digest and is cut short: 100 of \d+ bytes are there/,
    );

    const missing = await folderWithImage();
    execFileSync("rm", [blobOf(missing.folder, missing.layers[1])]);
    await expect(load("./layout", missing.folder)).rejects.toThrow(
      `The image "./layout" is incomplete: the blob ${missing.layers[1]} is not there.`,
    );

    const { folder } = await folderWithImage();
    skopeo("copy", `oci:${join(folder, "layout")}`, `docker-archive:${join(folder, "docker.tar")}:web:1`);
    const whole = readFileSync(join(folder, "docker.tar"));
    for (const length of [700, Math.floor(whole.length / 3), whole.length - 11_000]) {
      writeFileSync(join(folder, "cut.tar"), whole.subarray(0, length));
      await expect(load("./cut.tar", folder), `${length} bytes`).rejects.toThrow(
        /cut short|incomplete|neither an index/,
      );
    }
    writeFileSync(join(folder, "cut.tar.gz"), gzipSync(whole).subarray(0, 1000));
    await expect(load("./cut.tar.gz", folder)).rejects.toThrow('The archive "./cut.tar.gz" is cut short or damaged');
  });

  test("that does not exist, or is none, is refused with a sentence", async () => {
    const folder = temporaryDirectory();
    mkdirSync(join(folder, "empty"));
    writeFileSync(join(folder, "text.tar"), "x".repeat(2000));
    writeFileSync(join(folder, "other.tar"), await tar([{ name: "f", content: "x" }]));
    await expect(load("./nowhere", folder)).rejects.toThrow('The container image "./nowhere" does not exist');
    await expect(load("./empty", folder)).rejects.toThrow(
      'The folder "./empty" is not an OCI image layout: it has no index.json.',
    );
    await expect(load("./text.tar", folder)).rejects.toThrow("is damaged or is not a tar archive");
    await expect(load("./other.tar", folder)).rejects.toThrow(
      '"./other.tar" is not a container image: the archive has neither',
    );
    await expect(load("Not A Reference", folder)).rejects.toThrow('"Not A Reference" is not an image reference');
  });
});

describe("a reference", () => {
  test.each([
    ["ruby", "https://registry-1.docker.io", "library/ruby", "latest"],
    ["ruby:3.1", "https://registry-1.docker.io", "library/ruby", "3.1"],
    ["docker.io/team/web", "https://registry-1.docker.io", "team/web", "latest"],
    ["ghcr.io/team/web:v1", "https://ghcr.io", "team/web", "v1"],
    ["localhost:5000/web", "http://localhost:5000", "web", "latest"],
    ["127.0.0.1:5000/a/b/c:x", "http://127.0.0.1:5000", "a/b/c", "x"],
    ["[::1]:5000/web", "http://[::1]:5000", "web", "latest"],
  ])("%s has Docker's defaults", (text, origin, repository, tag) => {
    expect(parseReference(text)).toMatchObject({ origin, repository, tag });
  });

  test("may have a digest", () => {
    const digest = `sha256:${"a".repeat(64)}`;
    expect(parseReference(`web@${digest}`)).toMatchObject({ repository: "library/web", digest });
    expect(parseReference(`web:1@${digest}`)).toMatchObject({ repository: "library/web", tag: "1", digest });
    expect(() => parseReference("web@sha256:abc")).toThrow("what follows the @ is not a SHA-256 digest");
    expect(() => parseReference("Web")).toThrow("is not an image reference");
  });
});

describe("a registry", () => {
  test("that wants a password gets the one of Docker's configuration", async () => {
    const { folder } = await folderWithImage();
    const registry = await startRegistry({ password: true });
    const container = `${registry}/web:1`;
    skopeo(
      "copy",
      "--dest-tls-verify=false",
      "--dest-creds=user:secret",
      `oci:${join(folder, "layout")}`,
      `docker://${container}`,
    );
    await expect(load(container, folder)).rejects.toThrow(
      `The registry ${registry} wants a password for "${container}", or there is no such image. Run \`docker login ${registry}\``,
    );

    const dockerConfig = join(process.env["DOCKER_CONFIG"] as string, "config.json");
    const auth = (password: string): string => Buffer.from(`user:${password}`).toString("base64");
    writeFileSync(dockerConfig, JSON.stringify({ auths: { [registry]: { auth: auth("wrong") } } }));
    await expect(load(container, folder)).rejects.toThrow(
      `does not let the user of Docker's configuration pull "${container}"`,
    );
    writeFileSync(dockerConfig, JSON.stringify({ auths: { [registry]: { auth: auth("secret") } } }));
    const { digest } = await load(container, folder);
    expect(digest).toBe((await load("./layout", folder)).digest);

    const bin = temporaryDirectory();
    writeFileSync(
      join(bin, "docker-credential-test"),
      '#!/bin/sh\nread server\necho "{\\"ServerURL\\":\\"$server\\",\\"Username\\":\\"user\\",\\"Secret\\":\\"secret\\"}"\n',
    );
    chmodSync(join(bin, "docker-credential-test"), 0o755);
    vi.stubEnv("PATH", `${bin}:${process.env["PATH"]}`);
    writeFileSync(dockerConfig, JSON.stringify({ credHelpers: { [registry]: "test" } }));
    expect((await load(container, folder)).digest).toBe(digest);
    writeFileSync(dockerConfig, JSON.stringify({ credsStore: "missing" }));
    await expect(load(container, folder)).rejects.toThrow(
      'The credential helper "docker-credential-missing" that Docker\'s configuration names is not installed, or not executable.',
    );
  });

  test("is asked for nothing that the cache has, and for nothing at all by digest", async () => {
    const { folder } = await folderWithImage();
    const registry = await startRegistry();
    skopeo("copy", "--dest-tls-verify=false", `oci:${join(folder, "layout")}`, `docker://${registry}/web:1`);
    const requests: string[] = [];
    const proxy = await startServer((request, response) => {
      requests.push(request.url ?? "");
      void fetch(`http://${registry}${request.url}`, { headers: { accept: request.headers.accept ?? "*/*" } }).then(
        async (answer) => {
          response.writeHead(answer.status);
          response.end(Buffer.from(await answer.arrayBuffer()));
        },
      );
    });
    const context = await sourceContext(folder);
    const first = await resolveSource({ container: `${proxy}/web:1` }, context);
    await first.load();
    expect(requests.length).toBe(4);
    await (await resolveSource({ container: `${proxy}/web:1` }, context)).load();
    expect(requests.slice(4)).toEqual(["/v2/web/manifests/1"]);
    const [, digest] = JSON.parse(first.key) as [string, string];
    await (await resolveSource({ container: `${proxy}/web@${digest}` }, context)).load();
    expect(requests.length).toBe(5);
  });

  test("that gives out tokens is logged in to", async () => {
    const { folder } = await folderWithImage();
    const real = await startRegistry();
    skopeo("copy", "--dest-tls-verify=false", `oci:${join(folder, "layout")}`, `docker://${real}/web:1`);
    const registry = await startServer((request, response) => {
      const url = new URL(request.url ?? "", `http://${request.headers.host}`);
      if (url.pathname === "/token") {
        const known = request.headers.authorization === `Basic ${Buffer.from("user:secret").toString("base64")}`;
        const scope =
          url.searchParams.get("scope") === "repository:web:pull" && url.searchParams.get("service") === "test";
        response.writeHead(known && scope ? 200 : 401).end(JSON.stringify({ token: "t0k3n" }));
        return;
      }
      if (request.headers.authorization !== "Bearer t0k3n") {
        const challenge = `Bearer realm="http://${request.headers.host}/token",service="test",scope="repository:web:pull"`;
        response.writeHead(401, { "www-authenticate": challenge }).end();
        return;
      }
      void fetch(`http://${real}${request.url}`, { headers: { accept: request.headers.accept ?? "*/*" } }).then(
        async (answer) => {
          response.writeHead(answer.status).end(Buffer.from(await answer.arrayBuffer()));
        },
      );
    });
    await expect(load(`${registry}/web:1`, folder)).rejects.toThrow("wants a password");
    const auths = { [registry]: { username: "user", password: "secret" } };
    writeFileSync(join(process.env["DOCKER_CONFIG"] as string, "config.json"), JSON.stringify({ auths }));
    expect((await load(`${registry}/web:1`, folder)).digest).toBe((await load("./layout", folder)).digest);
  });

  test.each(["<html>Sign in</html>", "{}", "null"])("whose token service answers %s is named", async (answer) => {
    const registry = await startServer((request, response) => {
      if (request.url?.startsWith("/token")) return void response.end(answer);
      const challenge = `Bearer realm="http://${request.headers.host}/token"`;
      response.writeHead(401, { "www-authenticate": challenge }).end();
    });
    await expect(load(`${registry}/web`, temporaryDirectory())).rejects.toThrow(
      new VisibleError(`The registry ${registry} has a token service, ${registry}, that answers without a token.`),
    );
  });

  test("that breaks off or is busy is asked again, and goes on where it stopped", async () => {
    const { folder, layers } = await folderWithImage();
    const layout = join(folder, "layout");
    const blobs = join(layout, "blobs/sha256");
    const { manifests } = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")) as {
      manifests: { digest: string }[];
    };
    const ranges: (string | undefined)[] = [];
    let busy = 1;
    const registry = await startServer((request, response) => {
      const name = request.url?.split("/").at(-1) ?? "";
      if (name === "latest") {
        if (busy-- > 0) return void response.writeHead(503, { "retry-after": "0" }).end();
        return void response.end(readFileSync(join(blobs, manifests[0]?.digest.slice(7) ?? "")));
      }
      const data = readFileSync(join(blobs, name.slice(7)));
      if (name !== layers[0]) return void response.end(data);
      ranges.push(request.headers.range);
      const [, start = "0"] = /^bytes=(\d+)-$/.exec(request.headers.range ?? "") ?? [];
      response.writeHead(Number(start) > 0 ? 206 : 200, { "content-length": data.length - Number(start) });
      if (Number(start) > 0) return void response.end(data.subarray(Number(start)));
      response.write(data.subarray(0, 60), () => setTimeout(() => response.destroy(), 50));
    });
    expect((await load(`${registry}/web`, folder)).digest).toBe((await load("./layout", folder)).digest);
    expect(ranges).toEqual([undefined, "bytes=60-"]);
  });

  /** A registry that serves the image in `layout`; `answer` may answer in its place. */
  async function serveLayout(layout: string, answer: (name: string, ...http: Http) => boolean): Promise<string> {
    const { manifests } = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")) as {
      manifests: { digest: string }[];
    };
    return startServer((request, response) => {
      const last = request.url?.split("/").at(-1) ?? "";
      const name = last === "latest" ? (manifests[0]?.digest ?? "") : last;
      if (!answer(name, request, response)) response.end(readFileSync(join(layout, "blobs/sha256", name.slice(7))));
    });
  }
  type Http = Parameters<Parameters<typeof startServer>[0]>;

  test("that has had enough is asked again when it says, unless that is too long to wait", async () => {
    const { folder } = await folderWithImage();
    const expected = await load("./layout", folder);
    const limited = async (
      retryAfter: () => string | undefined,
    ): Promise<{ registry: string; count: () => number }> => {
      let requests = 0;
      const registry = await serveLayout(join(folder, "layout"), (_name, _request, response) => {
        if (++requests > 1) return false;
        const header = retryAfter();
        response.writeHead(429, header === undefined ? {} : { "retry-after": header }).end();
        return true;
      });
      return { registry, count: () => requests };
    };
    for (const soon of ["1", new Date(Date.now() + 1000).toUTCString()]) {
      const { registry } = await limited(() => soon);
      expect((await load(`${registry}/web`, folder)).digest).toBe(expected.digest);
    }
    const { registry, count } = await limited(() => "3600");
    await expect(load(`${registry}/web`, folder)).rejects.toThrow(
      `The registry ${registry} lets nobody pull "${registry}/web" for now, because too much has been pulled from here (429). Try again in 3600 seconds`,
    );
    expect(count()).toBe(1);
  });

  test("that breaks off again and again is asked as long as it gets on", async () => {
    const { folder, layers } = await folderWithImage();
    let answers = 0;
    const registry = await serveLayout(join(folder, "layout"), (name, request, response) => {
      if (name !== layers[0]) return false;
      answers++;
      const data = readFileSync(blobOf(folder, name));
      const start = Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? "")?.[1] ?? 0);
      response.writeHead(start > 0 ? 206 : 200, { "content-length": data.length - start });
      const part = data.subarray(start, start + Math.ceil(data.length / 6));
      response.write(part, () => setTimeout(() => response.destroy(), 20));
      return true;
    });

    expect((await load(`${registry}/web`, folder)).digest).toBe((await load("./layout", folder)).digest);
    expect(answers).toBeGreaterThanOrEqual(6);
  });

  test("that sends more than it should is stopped", async () => {
    const { folder, layers } = await folderWithImage();
    const registry = await serveLayout(join(folder, "layout"), (name, _request, response) => {
      if (name !== layers[0]) return false;
      response.end(Buffer.concat([readFileSync(blobOf(folder, name)), Buffer.alloc(1000)]));
      return true;
    });

    await expect(load(`${registry}/web`, folder)).rejects.toThrow(
      `The registry ${registry} sends more of the blob ${layers[0]} than its `,
    );
  });

  test("that sends a download elsewhere gives its password to nobody", async () => {
    const { folder, layers } = await folderWithImage();
    const seen: (string | undefined)[] = [];
    const storage = await startServer((request, response) => {
      seen.push(request.headers.authorization);
      response.end(readFileSync(blobOf(folder, request.url?.slice(1))));
    });
    const registry = await serveLayout(join(folder, "layout"), (name, request, response) => {
      if (request.headers.authorization === undefined) {
        response.writeHead(401, { "www-authenticate": 'Basic realm="test"' }).end();
        return true;
      }
      if (!layers.includes(name)) return false;
      response.writeHead(307, { location: `http://${storage}/${name}` }).end();
      return true;
    });
    const auths = { [registry]: { username: "user", password: "secret" } };
    writeFileSync(join(process.env["DOCKER_CONFIG"] as string, "config.json"), JSON.stringify({ auths }));

    expect((await load(`${registry}/web`, folder)).digest).toBe((await load("./layout", folder)).digest);
    expect(seen).toEqual([undefined, undefined]);
  });

  test("that has the image for other processors only says for which", async () => {
    const { folder } = await folderWithImage();
    const layers = [await tar([{ name: "f", content: "arm" }])];
    writeLayout(join(folder, "arm"), { layers, platform: { os: "linux", architecture: "arm64" } });
    const list = readFileSync(join(folder, "arm/index.json"));
    const registry = await startServer((_request, response) => void response.end(list));

    await expect(load(`${registry}/web`, folder)).rejects.toThrow(
      `"${registry}/web" has no image for linux/amd64, only for linux/arm64.`,
    );
  });

  test(
    "that is down, lacks the image, or sends something else, is named in a sentence",
    { timeout: 30_000 },
    async () => {
      const folder = temporaryDirectory();
      const registry = await startRegistry();
      await expect(load(`${registry}/nothing:1`, folder)).rejects.toThrow(
        `There is no image "${registry}/nothing:1" in the registry ${registry}.`,
      );

      const layer = await tar([{ name: "f", content: "x" }]);
      writeLayout(join(folder, "layout"), { layers: [layer] });
      const layout = join(folder, "layout");
      const { manifests } = JSON.parse(readFileSync(join(layout, "index.json"), "utf8")) as {
        manifests: { digest: string }[];
      };
      const manifest = readFileSync(join(layout, "blobs/sha256", manifests[0]?.digest.slice(7) ?? ""));
      const { layers } = JSON.parse(manifest.toString()) as { layers: { digest: string }[] };
      const liar = await startServer((request, response) => {
        const name = request.url?.split("/").at(-1) ?? "";
        if (name === "latest") response.end(manifest);
        else if (name === layers[0]?.digest)
          response.end(Buffer.alloc(readFileSync(join(layout, "blobs/sha256", name.slice(7))).length));
        else response.end(readFileSync(join(layout, "blobs/sha256", name.slice(7))));
      });
      const context = await sourceContext(folder);
      await expect((await resolveSource({ container: `${liar}/web` }, context)).load()).rejects.toThrow(
        `The registry sent a layer of "${liar}/web" that does not match its digest ${layers[0]?.digest}`,
      );
      expect(readdirSync(join(context.cache.root, "tmp"))).toEqual([]);
      expect(existsSync(context.cache.path("blobs", layers[0]?.digest.slice(7) ?? ""))).toBe(false);

      await expect(load("127.0.0.1:1/web", folder)).rejects.toThrow(
        'The registry 127.0.0.1:1 cannot be reached for "127.0.0.1:1/web"',
      );
    },
  );
});
