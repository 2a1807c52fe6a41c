// The containers that are measured: servers as Debian has them, with the least that they need beside.
import path from "node:path";
import { packageSets } from "../guests/containers/containers.mjs";

const redisOptions = ["--bind", "*", "--protected-mode", "no", "--port", "8080", "--save", "", "--logfile", ""];
const gunicornOptions = [
  ...["--bind", "0.0.0.0:8080", "--worker-class", "gthread", "--threads", "4"],
  ...["--keep-alive", "60", "--worker-tmp-dir", "/dev/shm"],
];

/** As `buildContainers` takes it. */
export const definitions = {
  packageSets,
  files: path.join(import.meta.dirname, "images"),
  containers: {
    "nginx-bench": { packages: "servers", config: { Cmd: ["nginx", "-g", "daemon off;"] } },
    "redis-bench": { packages: "servers", config: { Cmd: ["redis-server", ...redisOptions], User: "redis" } },
    "node-bench": { packages: "node", config: { Cmd: ["node", "server.js"], WorkingDir: "/app" } },
    "python-http-bench": {
      packages: "python",
      config: { Cmd: ["python3", "server.py"], WorkingDir: "/app", User: "www-data" },
    },
    "python-bench": {
      packages: "python",
      config: { Cmd: ["gunicorn", ...gunicornOptions, "server:application"], WorkingDir: "/app", User: "www-data" },
    },
  },
};
