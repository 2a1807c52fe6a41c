import { codeOf, messageOf } from "./retry.js";

const OUT_OF_TIME = new Set(["CERT_HAS_EXPIRED", "CERT_NOT_YET_VALID"]);

/** The sentence for a certificate that was refused for its time, as a clock that is days off does with all of them; else undefined. */
export function certificateOutOfTime(error: unknown, cloud: string): string | undefined {
  const found = [error, (error as Error | undefined)?.cause].find((one) => OUT_OF_TIME.has(codeOf(one)));
  if (found === undefined) return undefined;
  return `The certificate of ${cloud} is not valid at the time of this machine, ${new Date().toISOString()}. If that is not what it should be, set its clock right, for example by turning NTP on. (${messageOf(found)})`;
}
