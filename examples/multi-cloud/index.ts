import * as pulumi from "@pulumi/pulumi";
import * as unikernel from "pulumi-unikernel";
import { places } from "./places";

const config = new pulumi.Config();

const image = new unikernel.Image("web", { source: { container: config.require("container") } });

// One program, a stack for each place: `pulumi config set place aws` makes this one AWS's, `gcp` Google Cloud's.
const web = new unikernel.Instance("web", {
  image,
  ports: [8080],
  env: { GREETING: config.require("greeting") },
  target: places[config.require("place")]?.(),
});

export const digest = image.digest;
export const url = web.url;
