import { describe, expect, test } from "vitest";
import { renderInstanceConfig } from "./instance-config.js";
import { openPorts } from "./ports.js";

const CARRIER = { what: "The user data", taker: "EC2", limit: 16 * 1024 };
const render = (values: Parameters<typeof renderInstanceConfig>[0]): string => renderInstanceConfig(values, CARRIER);

describe("an instance's configuration", () => {
  test("has the shape of the OCI runtime specification's config.json, and nothing that was not given", () => {
    expect(JSON.parse(render({ env: { A: "1", B: "" }, command: ["/x", "-v"], hostname: "web" }))).toEqual({
      process: { env: ["A=1", "B="], args: ["/x", "-v"] },
      hostname: "web",
    });
    expect(render({})).toBe("{}");
  });

  test("that is too long is refused, and what is largest in it named, not shown", () => {
    const large = (): string => render({ env: { SMALL: "1", LARGE: "ä".repeat(9000) }, files: { "/a": "x" } });
    expect(large).toThrow(
      /^The user data has 18\d\d\d bytes, and EC2 takes 16384\. Its largest part is the variable "LARGE"\./,
    );
    expect(large).not.toThrow(/ää/);
    expect(() => render({ env: { A: "1" }, files: { "/big": { content: "y".repeat(17_000) } } })).toThrow(
      'Its largest part is the file "/big".',
    );
  });

  test.each<[object, string]>([
    [{ env: { "A=B": "1" } }, '"A=B" cannot be the name of an environment variable'],
    [{ files: { key: "1" } }, 'The file "key" must be an absolute path.'],
    [
      { files: { "/etc/../key": "1" } },
      'The file "/etc/../key" must be the path of a file, without "." and ".." in it.',
    ],
    [{ files: { "/etc/": "1" } }, 'The file "/etc/" must be the path of a file'],
    [{ files: { "/key": { permissions: "rw" } } }, 'The permissions of the file "/key" must be octal digits'],
    [{ files: { "/key": { content: "hush!", encoding: "base64" } } }, 'The content of the file "/key" is not base64'],
  ])("%o is refused", (values, sentence) => {
    expect(() => render(values)).toThrow(sentence);
    expect(() => render(values)).not.toThrow(/hush/);
  });
});

describe("ports of an instance that has its address to itself", () => {
  test("are those of the guest", () => {
    expect(
      openPorts([80, { guest: 53, protocol: "udp" }, { guest: 81, host: 81 }, { guest: 82, host: 0 }], "AWS"),
    ).toEqual([
      { guest: 80, protocol: "tcp" },
      { guest: 53, protocol: "udp" },
      { guest: 81, protocol: "tcp" },
      { guest: 82, protocol: "tcp" },
    ]);
  });

  test.each([
    [{ guest: 8080, host: 80 }, "Port 8080 of the guest cannot be port 80 of its host on Google Cloud"],
    [{ guest: 80, hostAddress: "127.0.0.1" }, '"hostAddress" of port 80 has no meaning on Google Cloud'],
  ])("cannot be %o", (port, sentence) => {
    expect(() => openPorts([port], "Google Cloud")).toThrow(sentence);
  });
});
