import * as pulumi from "@pulumi/pulumi";
import type { Target } from "pulumi-unikernel";
import * as ukaws from "pulumi-unikernel/aws";
import * as ukgcp from "pulumi-unikernel/gcp";

const config = new pulumi.Config();

/** Where the instance runs, by the stack's `place`. */
export const places: { [place: string]: () => Target | undefined } = {
  local: () => undefined,
  aws: () => ukaws.target({ instanceType: "t3.nano", associatePublicIpAddress: true }),
  gcp: () =>
    ukgcp.target({
      machineType: "e2-micro",
      zone: "europe-west3-a",
      image: { bucket: config.require("bucket"), keepObject: false },
    }),
};
