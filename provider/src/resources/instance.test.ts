import { afterEach, describe, expect, test, vi } from "vitest";
import { changedAtBoot, instanceResource } from "./instance.js";
import { testContext } from "./testing/context.js";
import { UNKNOWN } from "./values.js";

const IMAGE = `sha256:${"0".repeat(64)}`;

async function reasons(inputs: object): Promise<string[]> {
  const { failures } = await instanceResource.check({}, { image: IMAGE, ...inputs }, testContext());
  return failures.map(({ reason }) => reason);
}

async function checked(inputs: object, old: object = {}, change = {}): Promise<Record<string, unknown>> {
  const { inputs: result, failures } = await instanceResource.check(
    old,
    { image: IMAGE, ...inputs },
    testContext(change),
  );
  expect(failures).toEqual([]);
  return result;
}

describe("inputs that are wrong are told in one sentence", () => {
  test.each([
    [{ memmory: "16 MiB" }, 'Instance has no input "memmory". Did you mean "memory"?'],
    [{ colour: "red" }, /^Instance has no input "colour"\. There is "image", "name", /],
    [{ image: undefined }, '"image" is missing.'],
    [{ image: "web" }, '"image" must be an Image, or its digest (sha256:…); "web" is not.'],
    [{ cpus: "two" }, '"cpus" must be a whole number, but is a text.'],
    [{ cpus: 1.5 }, '"cpus" must be a whole number, but is a fraction.'],
    [{ cpus: 9 }, '"cpus" must be a whole number from 1 to 8, but is 9.'],
    [{ memory: true }, '"memory" must be a text or a number, but is true or false.'],
    [{ memory: "lots" }, '"memory" must be a size such as "128 MiB", or a number of bytes; "lots" is neither.'],
    [{ memory: 128 }, /^"memory" is 128 bytes, less than 1 MiB\. A number without a unit is a number of bytes/],
    [{ machine: "q34" }, '"machine" must be one of "q35", "pc", "microvm", but is "q34". Did you mean "q35"?'],
    [{ env: { PORT: 80 } }, '"env.PORT" must be a text, but is a number.'],
    [{ env: { "A=B": "1" } }, /^"A=B" cannot be the name of an environment variable/],
    [{ env: { A: "\0" } }, /^The value of the environment variable "A" has a zero byte in it/],
    [{ files: { "etc/key": "1" } }, 'The file "etc/key" must be an absolute path.'],
    [{ files: { "/etc/key": { mode: "0600" } } }, /^InstanceFileContent has no input "files\./],
    [{ files: { "/etc/key": 1 } }, /must be an object or a text, but is a number\.$/],
    [{ command: [] }, /^"command" is empty\./],
    [{ command: "run me" }, '"command" must be a list, but is a text.'],
    [{ name: "../etc" }, /^"name" must be a letter or digit, then /],
    [{ hostname: "my host" }, /^"hostname" must be letters, digits/],
    [{ timeouts: { strat: "1 s" } }, 'Timeouts has no input "timeouts.strat". Did you mean "start"?'],
    [{ timeouts: { start: "soon" } }, /^"timeouts\.start" must be a time such as "90 s"/],
    [{ ports: [{ gust: 80, guest: 80 }] }, 'PortMapping has no input "ports[0].gust". Did you mean "guest"?'],
    [{ ports: [{ host: 80 }] }, '"ports[0].guest" is missing.'],
    [{ ports: ["80"] }, '"ports[0]" must be an object or a number, but is a text.'],
    [{ ports: [70_000] }, '"ports[0]" must be a whole number from 1 to 65535, but is 70000.'],
    [{ ports: [{ guest: 80, hostAddress: "localhost" }] }, /^"ports\[0\]\.hostAddress" must be an IPv4 address/],
    [
      { ports: [8080, { guest: 80, host: 8080 }] },
      /^Host port 8080\/tcp is listed twice, in ports\[0\] and in ports\[1\]\./,
    ],
    [{ ports: [8080, { guest: 80, host: 8080, hostAddress: "0.0.0.0" }] }, /listed twice/],
    [{ ports: [{ guest: 80, host: 8080, hostAddress: "0.0.0.0" }, 8080] }, /listed twice/],
  ])("%o", async (inputs, sentence) => {
    expect(await reasons(inputs)).toEqual([typeof sentence === "string" ? sentence : expect.stringMatching(sentence)]);
  });

  test("files for which the kernel has no room", async () => {
    expect(await reasons({ files: { "/etc/key": "x".repeat(2 ** 20) } })).toEqual([
      "What the guest is given has 1048620 bytes, and there is room for 1048576. Put large files into the image.",
    ]);
  });

  test("and none of them quotes a secret", async () => {
    const secret = "open-sesame";
    for (const files of [{ "/key": [secret] }, { "/key": { content: `${secret}!`, encoding: "base64" } }]) {
      const said = await reasons({ files });
      expect(said).toHaveLength(1);
      expect(said.join()).not.toContain(secret);
    }
    for (const env of [{ TOKEN: [secret] }, { TOKEN: { value: secret } }, { TOKEN: `${secret}\0` }]) {
      expect((await reasons({ env })).join()).not.toContain(secret);
    }
  });
});

describe("inputs that are right", () => {
  test.each([
    [{ ports: [8080, { guest: 8080, host: 8080, protocol: "udp" }] }],
    [
      {
        ports: [
          { guest: 80, host: 0 },
          { guest: 81, host: 0 },
        ],
      },
    ],
    [{ ports: [{ guest: 80, hostAddress: "127.0.0.2" }, 80] }],
    [{ ports: UNKNOWN, memory: UNKNOWN, env: { A: UNKNOWN }, image: UNKNOWN }],
    [{ ports: [{ guest: 80, host: UNKNOWN }, 80] }],
  ])("%o", async (inputs) => void (await checked(inputs)));

  test("get their defaults", async () => {
    expect(await checked({ ports: [80] })).toMatchObject({
      memory: "128 MiB",
      cpus: 1,
      machine: "q35",
      ports: [{ guest: 80, host: 80, protocol: "tcp", hostAddress: "127.0.0.1" }],
    });
  });
});

describe("the name", () => {
  afterEach(() => vi.unstubAllEnvs());
  const identity = { organization: "organization", project: "shop", stack: "dev", name: "web" };

  test("is the same each time, and differs between stacks, projects, folders and backends", async () => {
    const name = async (change: object): Promise<unknown> => (await checked({}, {}, change))["name"];
    const first = await name({ identity });
    expect(first).toMatch(/^web-[0-9a-f]{8}$/);
    expect(await name({ identity })).toBe(first);
    const others = [
      await name({ identity: { ...identity, stack: "prod" } }),
      await name({ identity: { ...identity, project: "bar" } }),
      await name({ identity, baseDir: "/elsewhere" }),
    ];
    vi.stubEnv("PULUMI_BACKEND_URL", "s3://states");
    others.push(await name({ identity }));
    expect(new Set([first, ...others])).toHaveLength(5);
    // A backend that the environment names tells projects apart by itself: a checkout may move.
    expect(await name({ identity, baseDir: "/elsewhere" })).toBe(others.at(-1));
  });

  test("differs between resources that have nothing but their parents to tell them apart", async () => {
    const name = async (change: object): Promise<unknown> =>
      (await checked({}, {}, { identity: { ...identity, ...change }, baseDir: "/shop" }))["name"];
    vi.stubEnv("PULUMI_BACKEND_URL", "");
    // That of one without a parent stays for ever what it was.
    expect(await name({})).toBe("web-4df10beb");
    const names = [{}, { parentType: "shop:index:Backend" }, { parentType: "shop:index:Frontend" }].map(name);
    expect(new Set(await Promise.all(names))).toHaveLength(3);
  });

  test("is kept once it is in the state, and is the program's to choose", async () => {
    expect((await checked({}, { name: "web-1" }))["name"]).toBe("web-1");
    expect((await checked({ name: "shop" }, { name: "web-1" }))["name"]).toBe("shop");
  });

  test("is fit for a folder whatever the resource is called", async () => {
    expect((await checked({}, {}, { identity: { ...identity, name: "../my/wéb app" } }))["name"]).toMatch(
      /^[A-Za-z0-9][\w.-]*$/,
    );
  });
});

describe("a change", () => {
  const base = { name: "web-1", image: IMAGE, memory: "128 MiB", cpus: 1, machine: "q35", ports: [] } as const;
  const state = { ...base, ports: [], state: "running", consoleLog: "" } as const;

  type Diff = typeof instanceResource.diff;
  async function changeOf(news: object, old: object = {}): Promise<{ restarts: string[]; replaces: string[] }> {
    const was = { ...state, ports: [], ...old } as unknown as Parameters<Diff>[1];
    const wanted = { ...base, ports: [], ...news } as unknown as Parameters<Diff>[2];
    const { replaces, deleteBeforeReplace } = await instanceResource.diff("web-1", was, wanted, testContext());
    expect(deleteBeforeReplace).toBe(replaces.length > 0);
    return { restarts: changedAtBoot(was, wanted), replaces };
  }
  const port = (host: number): object => ({ guest: 80, host, protocol: "tcp", hostAddress: "127.0.0.1" });

  test.each([
    [{ memory: "64 MiB" }, {}, ["memory"]],
    [{ memory: 134_217_728 }, {}, []],
    [{ env: { A: "1" } }, {}, ["env"]],
    [{ env: { A: UNKNOWN } }, { env: { A: "1" } }, ["env"]],
    [{ files: { "/a": "2" } }, { files: { "/a": "1" } }, ["files"]],
    [{ files: { "/a": { content: "1" } } }, { files: { "/a": { content: "1" } } }, []],
    [{ ports: [port(81)] }, { ports: [port(80)] }, ["ports"]],
    [{ ports: [port(0)] }, { ports: [port(40_123)] }, []],
    [{ ports: [] }, { ports: [port(80)] }, ["ports"]],
    [{ timeouts: { start: "5 s" } }, {}, []],
  ])("%o to %o starts the guest anew for %j, and replaces nothing", async (news, old, restarts) => {
    expect(await changeOf(news, old)).toEqual({ restarts, replaces: [] });
  });

  test.each([
    [{ image: UNKNOWN }, ["image"]],
    [{ name: "web-2" }, ["name"]],
    [{ image: UNKNOWN, memory: "64 MiB" }, ["image"]],
  ])("%o replaces for %j", async (news, replaces) => {
    expect((await changeOf(news)).replaces).toEqual(replaces);
  });
});
