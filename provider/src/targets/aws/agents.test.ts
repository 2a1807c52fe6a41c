import { afterEach, expect, test, vi } from "vitest";
import { startProxied } from "../../image/testing/proxy.js";
import { temporaryDirectory } from "../../image/testing/temporary.js";
import { connect } from "./connection.js";

afterEach(() => vi.unstubAllEnvs());

const HOST = "ec2.example";

/** EC2 behind a proxy, in an environment without any; asks for its regions. */
async function startEc2() {
  for (const name of ["https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY", "no_proxy", "NO_PROXY"])
    vi.stubEnv(name, undefined);
  vi.stubEnv("AWS_CA_BUNDLE", undefined);
  const { port, ...rest } = await startProxied(temporaryDirectory(), HOST, (_request, response) => {
    response.setHeader("content-type", "text/xml");
    response.end(
      "<DescribeRegionsResponse><regionInfo><item><regionName>here</regionName></item></regionInfo></DescribeRegionsResponse>",
    );
  });
  const ask = async (endpoint: string) => {
    const credentials = { accessKeyId: "AKIDEXAMPLE", secretAccessKey: "secret" };
    const connection = await connect({ region: "eu-west-1", credentials, endpoints: { ec2: endpoint } });
    try {
      return (await connection.ec2.describeRegions({})).Regions?.map(({ RegionName }) => RegionName);
    } finally {
      connection.close();
    }
  };
  return { ...rest, direct: `https://127.0.0.1:${port}`, ask };
}

test.each(["HTTPS_PROXY", "https_proxy", "ALL_PROXY"])("AWS is reached through the proxy in %s", async (variable) => {
  const { proxy, certificate, asked, ask } = await startEc2();
  vi.stubEnv(variable, proxy);
  vi.stubEnv("AWS_CA_BUNDLE", certificate);

  expect(await ask(`https://${HOST}`)).toEqual(["here"]);
  expect(asked).toEqual([`${HOST}:443`]);
});

test("NO_PROXY excepts hosts from the proxy, and this machine is excepted always", async () => {
  const { proxy, certificate, asked, direct, ask } = await startEc2();
  vi.stubEnv("HTTPS_PROXY", proxy);
  vi.stubEnv("AWS_CA_BUNDLE", certificate);

  expect(await ask(direct)).toEqual(["here"]);
  // Another address of this machine, for which no name has to be looked up.
  const excepted = direct.replace("127.0.0.1", "0.0.0.0");
  vi.stubEnv("NO_PROXY", "0.0.0.0");
  await expect(ask(excepted)).rejects.toThrow("IP: 0.0.0.0 is not in the cert's list");
  expect(asked).toEqual([]);
});

test("only certificates in AWS_CA_BUNDLE are trusted when it names a file, and a file that is not there is told", async () => {
  const { certificate, direct, ask } = await startEc2();

  await expect(ask(direct)).rejects.toThrow("self-signed certificate");
  vi.stubEnv("AWS_CA_BUNDLE", certificate);
  expect(await ask(direct)).toEqual(["here"]);
  vi.stubEnv("AWS_CA_BUNDLE", `${certificate}.gone`);
  await expect(ask(direct)).rejects.toThrow(
    /^The file with certificates that AWS_CA_BUNDLE names cannot be read: ENOENT/,
  );
});
