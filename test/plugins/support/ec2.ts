import type { IncomingMessage, ServerResponse } from "node:http";
import type { EbsService } from "../../../provider/src/targets/aws/testing/ebs-service.js";
import { LoopbackService } from "../../../provider/src/targets/testing/loopback-service.js";
import type { Moto } from "../../aws/support/moto.js";

/** An image as it was registered: the names and values of EC2's query API. */
interface Image {
  region: string;
  parameters: Map<string, string>;
  /** The snapshot of its root volume, unless moto keeps it. */
  snapshotId?: string;
}

/** What is the same in a request to register an image and in its description. */
const DESCRIBED: [parameter: string, element: string][] = [
  ["Architecture", "architecture"],
  ["VirtualizationType", "virtualizationType"],
  ["RootDeviceName", "rootDeviceName"],
  ["SriovNetSupport", "sriovNetSupport"],
  ["EnaSupport", "enaSupport"],
  ["BootMode", "bootMode"],
  ["ImdsSupport", "imdsSupport"],
  ["TpmSupport", "tpmSupport"],
  ["DeprecateAt", "deprecationTime"],
];

/**
 * EC2 for the real plugin: moto, and before it what moto leaves out of images. Theirs are the snapshots of the EBS service, which must be
 * complete, and what they are registered with is what is told of them.
 */
export class Ec2 extends LoopbackService {
  /** What was asked, but for what only looks: `eu-central-1 RegisterImage`. */
  readonly asked: string[] = [];
  readonly images = new Map<string, Image>();

  constructor(
    private readonly moto: Moto,
    private readonly ebs: EbsService,
  ) {
    super(60_000);
  }

  /** Id of a subnet of the default VPC. */
  async subnet(region: string): Promise<string> {
    const answer = await fetch(this.moto.endpoint, {
      method: "POST",
      headers: { authorization: `AWS4-HMAC-SHA256 Credential=nobody/20260101/${region}/ec2/aws4_request` },
      body: new URLSearchParams({ Action: "DescribeSubnets", Version: "2016-11-15" }),
    });
    return element(await answer.text(), "subnetId");
  }

  protected override async serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of message) chunks.push(chunk as Buffer);
    const body = Buffer.concat(chunks).toString();
    // The region is nowhere but in the signature's scope.
    const [, region = "", service = ""] =
      /Credential=[^/]+\/\d+\/([^/]+)\/([^/]+)\//.exec(message.headers.authorization ?? "") ?? [];
    const query = service === "ec2" ? new URLSearchParams(body) : new URLSearchParams();
    const action = query.get("Action") ?? "";
    if (!/^(Describe|Get|$)/.test(action)) this.asked.push(`${region} ${action}`);
    const pass = async (): Promise<Answer> => this.#pass(message, body);
    const { status, text } = await this.#answer(action, region, query, pass).catch(refused);
    response.writeHead(status, { "content-type": "text/xml;charset=UTF-8" }).end(text);
  }

  async #answer(action: string, region: string, query: URLSearchParams, pass: () => Promise<Answer>): Promise<Answer> {
    const id = query.get("ImageId") ?? "";
    switch (action) {
      case "RegisterImage":
        return this.#register(region, query, pass);
      case "CopyImage":
        return this.#copy(region, query, pass);
      case "DescribeImages":
        return this.#describe(query.get("ImageId.1") ?? "", await pass());
      case "DeregisterImage":
        for (const snapshot of this.ebs.snapshots.values()) if (snapshot.usedBy === id) delete snapshot.usedBy;
        this.images.delete(id);
        return pass();
      case "EnableImageDeprecation":
        this.images.get(id)?.parameters.set("DeprecateAt", toTheMinute(query.get("DeprecateAt") ?? ""));
        return succeeded(action);
      case "RunInstances":
        if (this.images.get(id)?.region !== region)
          throw new Refusal("InvalidAMIID.NotFound", `The image id '[${id}]' does not exist`);
        return pass();
      default:
        return pass();
    }
  }

  async #register(region: string, query: URLSearchParams, pass: () => Promise<Answer>): Promise<Answer> {
    const of = (name: string): string => query.get(name) ?? "";
    const snapshot = this.ebs.snapshots.get(of("BlockDeviceMapping.1.Ebs.SnapshotId"));
    if (of("BlockDeviceMapping.1.DeviceName") !== of("RootDeviceName") || query.has("BlockDeviceMapping.2.DeviceName"))
      throw new Refusal("InvalidBlockDeviceMapping", "The root device is not what is mapped");
    if (snapshot === undefined)
      throw new Refusal(
        "InvalidSnapshot.NotFound",
        `The snapshot '${of("BlockDeviceMapping.1.Ebs.SnapshotId")}' does not exist.`,
      );
    if (snapshot.status !== "completed") throw new Refusal("InvalidSnapshot", `${snapshot.id} is ${snapshot.status}`);
    if (Number(of("BlockDeviceMapping.1.Ebs.VolumeSize")) < snapshot.volumeSize)
      throw new Refusal(
        "InvalidBlockDeviceMapping",
        `Volume of size ${of("BlockDeviceMapping.1.Ebs.VolumeSize")}GB is smaller than snapshot`,
      );
    if (query.has("BlockDeviceMapping.1.Ebs.Encrypted"))
      throw new Refusal(
        "InvalidParameter",
        "You cannot specify the encrypted flag if specifying a snapshot id in a block device mapping.",
      );
    if (query.has("TpmSupport") && of("BootMode") !== "uefi")
      throw new Refusal("InvalidParameterCombination", "TpmSupport takes the boot mode uefi");
    const taken = [...this.images.values()].some(
      (image) => image.region === region && image.parameters.get("Name") === of("Name"),
    );
    if (taken) throw new Refusal("InvalidAMIName.Duplicate", `AMI name ${of("Name")} is already in use by AMI`);
    const answer = await pass();
    const id = element(answer.text, "imageId");
    snapshot.usedBy = id;
    this.images.set(id, { region, parameters: new Map(query), snapshotId: snapshot.id });
    return answer;
  }

  async #copy(region: string, query: URLSearchParams, pass: () => Promise<Answer>): Promise<Answer> {
    const source = this.images.get(query.get("SourceImageId") ?? "");
    if (source?.region !== query.get("SourceRegion"))
      throw new Refusal("InvalidAMIID.NotFound", `The image id '[${query.get("SourceImageId")}]' does not exist`);
    const answer = await pass();
    this.images.set(element(answer.text, "imageId"), { region, parameters: new Map(source?.parameters) });
    return answer;
  }

  /** Puts into moto's description of an image what moto has forgotten. */
  #describe(id: string, answer: Answer): Answer {
    const image = this.images.get(id);
    if (image === undefined || answer.status !== 200) return answer;
    let text = answer.text;
    for (const [parameter, name] of DESCRIBED) {
      const value = image.parameters.get(parameter);
      if (value !== undefined) text = withElement(text, name, value);
    }
    const of = (name: string): string => image.parameters.get(`BlockDeviceMapping.1.Ebs.${name}`) ?? "";
    const snapshotId = image.snapshotId ?? element(answer.text, "snapshotId");
    const encrypted = this.ebs.snapshots.get(snapshotId)?.encrypted ?? false;
    const ebs = `<snapshotId>${snapshotId}</snapshotId><volumeSize>${of("VolumeSize")}</volumeSize><deleteOnTermination>${of("DeleteOnTermination")}</deleteOnTermination><volumeType>${of("VolumeType")}</volumeType><encrypted>${encrypted}</encrypted>`;
    const device = image.parameters.get("RootDeviceName") ?? "";
    text = withElement(text, "rootDeviceType", "ebs");
    return {
      ...answer,
      text: withElement(text, "blockDeviceMapping", `<item><deviceName>${device}</deviceName><ebs>${ebs}</ebs></item>`),
    };
  }

  async #pass({ method = "", url = "", headers }: IncomingMessage, body: string): Promise<Answer> {
    const kept = ["authorization", "content-type", "x-amz-date"].map((name) => [name, String(headers[name] ?? "")]);
    const answer = await fetch(`${this.moto.endpoint}${url}`, {
      method,
      headers: Object.fromEntries(kept) as Record<string, string>,
      body,
    });
    return { status: answer.status, text: await answer.text() };
  }
}

interface Answer {
  status: number;
  text: string;
}

class Refusal extends Error {
  constructor(
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}

function refused(error: unknown): Answer {
  const { code, message } = error instanceof Refusal ? error : { code: "InternalError", message: String(error) };
  const text = `<Response><Errors><Error><Code>${code}</Code><Message>${message}</Message></Error></Errors><RequestID>r</RequestID></Response>`;
  return { status: error instanceof Refusal ? 400 : 500, text };
}

function succeeded(action: string): Answer {
  const text = `<${action}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>r</requestId><return>true</return></${action}Response>`;
  return { status: 200, text };
}

/** A time as EC2 keeps it. */
function toTheMinute(time: string): string {
  return new Date(Math.round(Date.parse(time) / 60_000) * 60_000).toISOString();
}

/** The text of the first element of this name. */
function element(xml: string, name: string): string {
  return new RegExp(`<${name}>([^<]*)</${name}>`).exec(xml)?.[1] ?? "";
}

/** The description of the only image in an answer, with an element in place of what there was of that name. */
function withElement(xml: string, name: string, content: string): string {
  const without = xml.replace(new RegExp(`<${name}>[^]*?</${name}>|<${name}/>`), "");
  return without.replace(/<\/item>\s*<\/imagesSet>/, `<${name}>${content}</${name}></item></imagesSet>`);
}
