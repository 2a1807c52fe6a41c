import * as pulumi from "@pulumi/pulumi";
import * as unikernel from "pulumi-unikernel";

const config = new pulumi.Config();

const image = new unikernel.Image("web", {
  source: { container: "./image" },
  env: { RACK_ENV: "production" },
});

const web = new unikernel.Instance("web", {
  image,
  memory: "128 MiB",
  cpus: 1,
  ports: [{ guest: 8080, host: config.requireNumber("port") }],
  // Reaches the guest when it boots and is never part of the image: it may be another resource's output, or a secret.
  env: { GREETING: config.require("greeting") },
});

export const digest = image.digest;
export const url = web.url;
export const consoleLog = web.consoleLog;
