import { setTimeout as delay } from "node:timers/promises";
import type { DescribeSnapshotsCommandOutput, Snapshot } from "@aws-sdk/client-ec2";
import { VisibleError } from "../../../image/index.js";
import { callerAccount } from "../account.js";
import type { Connection } from "../connection.js";
import { explain } from "../errors.js";
import { abort } from "../request.js";
import { messageOf, nameOf, retry } from "../../retry.js";
import { isTransient } from "../transient.js";

/** A snapshot as AWS knows it. */
export interface SnapshotDescription {
  id: string;
  status: "pending" | "completed" | "error";
  /** Why the status is `error`. */
  message?: string;
  tags: { [name: string]: string };
  /** Id of the account that it is in. */
  ownerId?: string;
}

/** How much longer than AWS usually takes, which is seconds. */
const COMPLETION_TIMEOUT_MS = 15 * 60_000;
/** How long an image that has been deregistered may still count as a user of its snapshot. */
const IN_USE_TIMEOUT_MS = 60_000;

/** What is known of a snapshot that may be gone. */
interface LookOptions {
  signal?: AbortSignal | undefined;
  /** Id of the account that it is in: to credentials of another one it would seem to be gone. */
  ownerId?: string | undefined;
}

/** Undefined when there is no such snapshot. */
export async function describeSnapshot(
  connection: Connection,
  id: string,
  { signal, ownerId }: LookOptions = {},
): Promise<SnapshotDescription | undefined> {
  let answer: DescribeSnapshotsCommandOutput;
  try {
    answer = await retry(() => connection.ec2.describeSnapshots({ SnapshotIds: [id] }, abort(signal)), {
      signal,
      when: isTransient,
    });
  } catch (error) {
    if (!isMissing(error)) throw explain(error, { action: "ec2:DescribeSnapshots", region: connection.region });
    await expectOwner(connection, id, { signal, ownerId });
    return undefined;
  }
  const [found] = answer.Snapshots ?? [];
  return found && description(id, found);
}

function description(id: string, { State, StateMessage, Tags, OwnerId }: Snapshot): SnapshotDescription {
  return {
    id,
    status: State === "completed" ? "completed" : State === "error" ? "error" : "pending",
    ...(StateMessage && { message: StateMessage }),
    tags: Object.fromEntries((Tags ?? []).map(({ Key = "", Value = "" }) => [Key, Value])),
    ...(OwnerId && { ownerId: OwnerId }),
  };
}

/** @throws {VisibleError} when the credentials are of another account than a snapshot is in. */
async function expectOwner(connection: Connection, id: string, { signal, ownerId }: LookOptions): Promise<void> {
  if (ownerId === undefined) return;
  const account = await callerAccount(connection, signal);
  if (account === ownerId) return;
  throw new VisibleError(
    `The snapshot ${id} is in the AWS account ${ownerId}, and the credentials are of ${account}, which cannot see it. Set credentials of ${ownerId}, for example with AWS_PROFILE or \`pulumi config set aws:profile\`. Those that only the program gives are not kept for \`pulumi refresh\` and \`pulumi destroy\`.`,
  );
}

/** Waits until an image can be made of a snapshot that all blocks have been written to. */
export async function waitUntilCompleted(
  connection: Connection,
  id: string,
  options: { signal?: AbortSignal | undefined; status?: ((message: string) => void) | undefined; pollMs?: number },
): Promise<SnapshotDescription> {
  const { signal, status, pollMs = 1000 } = options;
  const deadline = performance.now() + COMPLETION_TIMEOUT_MS;
  for (let polls = 0; ; polls++) {
    const found = await describeSnapshot(connection, id, { signal });
    if (found?.status === "completed") return found;
    if (found === undefined && polls > 10)
      throw new VisibleError(`The snapshot ${id} vanished while AWS completed it.`);
    if (found?.status === "error") {
      throw new VisibleError(`AWS could not complete the snapshot ${id}: ${found.message ?? "it does not say why"}.`);
    }
    if (performance.now() > deadline) {
      throw new VisibleError(
        `AWS has not completed the snapshot ${id} within ${COMPLETION_TIMEOUT_MS / 60_000} minutes. Run the update again when it has.`,
      );
    }
    status?.(`waiting for AWS to complete the snapshot ${id}`);
    await delay(Math.min(pollMs * 1.5 ** polls, 10_000), undefined, signal && { signal });
  }
}

/** Deletes a snapshot in any status; that it is gone already is fine. */
export async function deleteSnapshot(
  connection: Connection,
  id: string,
  options: LookOptions & { inUseTimeoutMs?: number; attempts?: number } = {},
): Promise<void> {
  const { signal, ownerId, inUseTimeoutMs = IN_USE_TIMEOUT_MS, attempts } = options;
  const deadline = performance.now() + inUseTimeoutMs;
  for (;;) {
    try {
      await retry(() => connection.ec2.deleteSnapshot({ SnapshotId: id }, abort(signal)), {
        signal,
        when: isTransient,
        ...(attempts !== undefined && { attempts }),
      });
      return;
    } catch (error) {
      if (isMissing(error)) {
        await expectOwner(connection, id, { signal, ownerId });
        return;
      }
      if (nameOf(error) !== "InvalidSnapshot.InUse") {
        throw explain(error, { action: "ec2:DeleteSnapshot", region: connection.region });
      }
      if (performance.now() >= deadline) {
        const users =
          messageOf(error)
            .match(/ami-[0-9a-f]+/g)
            ?.join(", ") ?? "an image";
        throw new VisibleError(
          `The snapshot ${id} cannot be deleted: ${users} still uses it. Deregister that image, or keep the snapshot with \`retainOnDelete\`.`,
        );
      }
      await delay(2000, undefined, signal && { signal });
    }
  }
}

/** Makes a snapshot's tags what they should be, and leaves those alone that were not set from here. */
export async function changeTags(
  connection: Connection,
  id: string,
  old: { [name: string]: string },
  wanted: { [name: string]: string },
  signal?: AbortSignal,
): Promise<void> {
  const added = Object.entries(wanted).filter(([name, value]) => old[name] !== value);
  const removed = Object.keys(old).filter((name) => !(name in wanted));
  const run = async (action: string, send: () => Promise<unknown>): Promise<void> => {
    try {
      await retry(send, { signal, when: isTransient });
    } catch (error) {
      throw explain(error, { action, region: connection.region });
    }
  };
  if (added.length > 0) {
    const Tags = added.map(([Key, Value]) => ({ Key, Value }));
    await run("ec2:CreateTags", () => connection.ec2.createTags({ Resources: [id], Tags }, abort(signal)));
  }
  if (removed.length > 0) {
    const Tags = removed.map((Key) => ({ Key }));
    await run("ec2:DeleteTags", () => connection.ec2.deleteTags({ Resources: [id], Tags }, abort(signal)));
  }
}

function isMissing(error: unknown): boolean {
  return ["InvalidSnapshot.NotFound", "InvalidSnapshotID.Malformed"].includes(nameOf(error));
}
