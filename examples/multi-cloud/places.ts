import type { Target } from "pulumi-unikernel";
import * as ukaws from "pulumi-unikernel/aws";

/** Where the instance runs, by the stack's `place`. */
export const places: { [place: string]: () => Target | undefined } = {
  local: () => undefined,
  aws: () => ukaws.target({ instanceType: "t3.nano", associatePublicIpAddress: true }),
};
