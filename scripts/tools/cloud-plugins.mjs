// The provider plugins of `@pulumi/aws` and `@pulumi/gcp`, of which no package registry has the sources: built from what those are
// made of, Terraform's providers and Pulumi's bridge. Only the services that the tests use are in them.
import { cpSync, existsSync, readFileSync, rmSync } from "node:fs";
import path from "node:path";
import { installInto } from "../lib/install.mjs";
import { inRoot, toolsCache } from "../lib/paths.mjs";
import { run } from "../lib/process.mjs";
import { fingerprint } from "../lib/stamp.mjs";
import { step, VisibleError } from "../lib/terminal.mjs";
import { go } from "./go.mjs";
import { copyPackages } from "./go-packages.mjs";

/** Keeps of a list of services, one to a line, the wanted ones: of its imports and of its calls. */
const onlyServices = (text, services, ...patterns) =>
  text
    .split("\n")
    .filter((line) => {
      const [, service] = patterns.map((pattern) => pattern.exec(line)).find((match) => match !== null) ?? [];
      return service === undefined || services.includes(service);
    })
    .join("\n");

const awsServices = ["ec2"];
/** Names of clients (`EC2Client`) by which these services, and those that they import, call AWS. */
const awsClients = ["Account", "EC2", "Organizations", "S3"].map((name) => `${name}Client`);

/** The functions that make these clients, and imports of what they mention. */
function onlyClients(text) {
  const [head, ...functions] = text.split(/\n(?=func )/);
  const kept = functions
    .filter((text) => awsClients.includes(/^func \(c \*AWSClient\) (\w+)\(/.exec(text)?.[1]))
    .join("\n");
  const imports = head.split("\n").filter((line) => {
    const [, alias, service] = /^\t(?:(\w+) )?"github\.com\/aws\/aws-sdk-go-v2\/service\/(\w+)"$/.exec(line) ?? [];
    return service === undefined || kept.includes(`*${alias ?? service}.`);
  });
  return `${imports.join("\n")}\n${kept}`;
}

const googleServices = ["compute"];

/** @typedef {{ name: string; module: string; packages: string[]; edit: (file: string, text: string) => string | undefined; minutes: number }} Plugin */
/** @type {Plugin[]} */
const plugins = [
  {
    name: "aws",
    module: "github.com/hashicorp/terraform-provider-aws",
    packages: ["internal/provider/sdkv2", "internal/conns"],
    edit(file, text) {
      if (file === "internal/provider/sdkv2/service_packages_gen.go")
        return onlyServices(text, awsServices, /internal\/service\/(\w+)"$/, /^\t+(\w+)\.ServicePackage\(ctx\),$/);
      if (file === "internal/conns/awsclient_gen.go") return onlyClients(text);
      // Belongs to the provider's own tests.
      return file.endsWith("/sweep.go") ? undefined : text;
    },
    minutes: 10,
  },
  {
    name: "gcp",
    module: "github.com/hashicorp/terraform-provider-google",
    packages: ["google/provider"],
    edit: (file, text) =>
      file === "google/provider/provider_register_services.go"
        ? onlyServices(text, googleServices, /google\/services\/(\w+)"$/)
        : text,
    minutes: 4,
  },
];

/**
 * Builds the plugins that are not there yet.
 * @returns {Promise<{ [name: string]: string }>} Their folders, by the names of the packages.
 */
export async function cloudPlugins() {
  const folders = {};
  for (const plugin of plugins) folders[plugin.name] = await cloudPlugin(plugin);
  return folders;
}

async function cloudPlugin(plugin) {
  const { name, minutes } = plugin;
  const source = inRoot("test", "plugins", name);
  const { version } = JSON.parse(readFileSync(inRoot("node_modules", "@pulumi", name, "package.json"), "utf8"));
  const print = fingerprint(
    [source, ...["cloud-plugins.mjs", "go-packages.mjs"].map((file) => inRoot("scripts", "tools", file))],
    [version],
  );
  const folder = path.join(toolsCache, `pulumi-resource-${name}-${print.slice(0, 16)}`);
  if (existsSync(folder)) return folder;
  const compiler = await go();
  await step(`Build the plugin of @pulumi/${name}`, `tests deploy with it; about ${minutes} minutes`, () =>
    installInto(folder, (partial) => build(plugin, { compiler, source, version, folder: partial })),
  );
  return folder;
}

async function build({ name, module, packages, edit }, { compiler, source, version, folder }) {
  const env = { ...process.env, CGO_ENABLED: "0", GOFLAGS: "" };
  const [, upstream] = new RegExp(`${module} (v\\S+)`).exec(readFileSync(path.join(source, "go.mod"), "utf8")) ?? [];
  if (upstream === undefined) throw new VisibleError(`${path.join(source, "go.mod")} requires no ${module}.`);
  const answer = await run(compiler, ["mod", "download", "-json", `${module}@${upstream}`], {
    cwd: "/",
    quiet: true,
    env,
  });
  const build = path.join(folder, "build");
  cpSync(source, build, { recursive: true });
  copyPackages(JSON.parse(answer).Dir, path.join(build, "upstream"), module, packages, edit);
  const program = path.join(folder, `pulumi-resource-${name}`);
  // No more packages at a time: the largest takes 4 GB of memory by itself.
  const options = ["-p", "2", "-trimpath", "-ldflags", `-s -w -X main.version=${version}`];
  await run(compiler, ["build", ...options, "-o", program, "."], { cwd: build, quiet: true, env });
  rmSync(build, { recursive: true });
}
