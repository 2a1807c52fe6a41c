import { once } from "node:events";
import type * as ebsSdk from "@aws-sdk/client-ebs";
import type { Connection } from "../connection.js";
import { loadSdk } from "../sdk.js";
import { refusal } from "../refusal.js";
import { learnClock, sendSigned, type HttpRequest, type Signer } from "../signed-request.js";

/** What all requests for blocks of a snapshot have in common, and what signs them. */
interface Form {
  request: HttpRequest;
  signer: Signer;
}

/**
 * Sends blocks of one snapshot by PutSnapshotBlock. The SDK makes the first request, and each further one is that one with its own block: working out
 * endpoint, headers and serialisation anew for each took more time than its hash.
 *
 * @see https://docs.aws.amazon.com/ebs/latest/APIReference/API_PutSnapshotBlock.html
 */
export class BlockSender {
  #form: Promise<Form> | undefined;

  constructor(
    readonly connection: Pick<Connection, "ebs">,
    readonly snapshotId: string,
  ) {}

  /**
   * Sends a block once.
   *
   * @param digest - The block's SHA-256.
   * @throws what the SDK throws: an error that has AWS's code as its name, or that of the connection.
   */
  async send(index: number, data: Buffer, digest: Buffer, abortSignal: AbortSignal): Promise<void> {
    this.#form ??= this.#fill(data);
    const { request, signer } = await this.#form.catch((error: unknown) => {
      // The next attempt asks again for what was missing, credentials for example.
      this.#form = undefined;
      throw error;
    });
    const { ebs } = this.connection;
    const answer = await sendSigned(
      ebs,
      signer,
      {
        ...request,
        path: request.path.replace(/0$/, String(index)),
        headers: {
          ...request.headers,
          "x-amz-checksum": digest.toString("base64"),
          // The signature goes by the same digest: the signer would compute it a second time.
          "x-amz-content-sha256": digest.toString("hex"),
        },
        body: data,
      },
      { abortSignal },
    );
    if (answer.statusCode === 201) {
      // Then its connection is free for the next one.
      await once(answer.body.resume(), "end");
      return;
    }
    const error = await refusal(answer);
    await learnClock(ebs, answer, error);
    throw error;
  }

  /** Has the SDK make the request for block 0, and takes it before it is signed, as the SDK's presigner does. */
  async #fill(data: Buffer): Promise<Form> {
    const { ebs } = this.connection;
    const { PutSnapshotBlockCommand } = loadSdk<typeof ebsSdk>("@aws-sdk/client-ebs");
    const command = new PutSnapshotBlockCommand({
      SnapshotId: this.snapshotId,
      BlockIndex: 0,
      BlockData: data,
      DataLength: data.length,
      Checksum: "",
      ChecksumAlgorithm: "SHA256",
    });
    let form: Form | undefined;
    // Last of its step, after which come attempts and signatures.
    command.middlewareStack.add(
      (_next, context) => async (args) => {
        const [authScheme] = (context.endpointV2?.properties?.["authSchemes"] ?? []) as Parameters<
          typeof ebs.config.signer
        >;
        form = { request: args.request as HttpRequest, signer: await ebs.config.signer(authScheme) };
        return { response: undefined, output: { $metadata: {} } };
      },
      { name: "takeForm", step: "build", priority: "low" },
    );
    await ebs.send(command);
    if (form === undefined) throw new Error("AWS's SDK made no request of a block.");
    return form;
  }
}
