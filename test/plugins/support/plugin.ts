/** The folder of a provider plugin that `npm run test:plugins` has built. */
export function pluginFolder(name: "aws" | "gcp"): string {
  const folder = process.env[`UNIKERNEL_PLUGIN_${name.toUpperCase()}`];
  if (folder === undefined)
    throw new Error(`There is no plugin of @pulumi/${name} here: run \`npm run test:plugins\`.`);
  return folder;
}

/** Lets fail whatever would leave this machine: clouds are called by HTTPS, and what stands for them here is not. */
export const STAY_HERE = { HTTPS_PROXY: "http://127.0.0.1:9" };
