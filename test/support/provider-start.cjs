// Preloaded into the processes of the dynamic provider. Two thirds of their start are modules that turn functions into text, which only the
// program's process does. A test runs one for each operation.
const Module = require("node:module");

const unused = new Set(["typescript", "@npmcli/arborist"]);
const load = Module._load;

Module._load = function (request, ...rest) {
  if (!unused.has(request)) return load.call(this, request, ...rest);
  const get = (_module, name) => {
    // What TypeScript's `import` asks, to take the module as it is.
    if (name === "__esModule") return true;
    throw new Error(`A test thought that no provider uses "${request}", but "${String(name)}" of it is used.`);
  };
  return new Proxy({}, { get });
};

if (process.env.FAULTS) require("./faults.cjs");
