import type { IncomingMessage, ServerResponse } from "node:http";
import { LoopbackService } from "../../../provider/src/targets/testing/loopback-service.js";
import {
  checkAllowed,
  checkArchive,
  checkDevices,
  checkFeatures,
  checkLabels,
  checkMetadata,
  checkName,
  checkSourceRanges,
} from "../../gcp/support/compute-rules.js";

type Json = Record<string, unknown>;

/** The project whose resources there are. */
export const PROJECT = "shop";
const SITE = "https://www.googleapis.com/compute/v1/";
const BASE = `/compute/v1/projects/${PROJECT}/`;

interface MachineType {
  name: string;
  memoryMb: number;
  guestCpus: number;
}

interface AttachedDisk {
  autoDelete?: boolean;
  boot?: boolean;
  initializeParams: { sourceImage: string; diskType?: string; diskSizeGb?: string };
}

/** A resource of a kind that the service knows. */
interface Kind {
  /** What a request for one may say; anything else is refused. */
  fields: string[];
  /** Refuses what Compute Engine would refuse, and says what there is then beside what was asked for. */
  create: (request: Json, link: string) => Promise<Json> | Json;
  delete?: (resource: Json) => void;
}

/**
 * Compute Engine's API for the real plugin, as far as images, firewall rules and instances go, written from its documentation: all that
 * changes is an operation to wait for, and names come back as URLs. It knows no other path, and no other field.
 *
 * @see https://cloud.google.com/compute/docs/reference/rest/v1
 */
export class ComputeEngine extends LoopbackService {
  /** By the path below the project: `global/images/web`. */
  readonly resources = new Map<string, Json>();
  /** What was asked, but for what only looks: `POST global/images`. */
  readonly asked: string[] = [];
  readonly #operations = new Map<string, Json>();
  readonly #machineTypes: MachineType[] = [
    { name: "e2-micro", memoryMb: 1024, guestCpus: 2 },
    { name: "n4-standard-2", memoryMb: 8192, guestCpus: 2 },
  ];

  readonly #kinds: Record<string, Kind> = {
    images: {
      fields: [
        ...["name", "description", "rawDisk", "guestOsFeatures", "family", "labels", "labelFingerprint", "licenses"],
        ...["storageLocations", "diskSizeGb", "imageEncryptionKey"],
      ],
      create: async ({ rawDisk, guestOsFeatures, labels }) => {
        checkLabels(labels);
        checkFeatures(guestOsFeatures);
        const { source } = rawDisk as { source: string };
        const [, bucket = "", object = ""] = /^https:\/\/storage\.googleapis\.com\/([^/]+)\/(.+)$/.exec(source) ?? [];
        checkArchive(await this.readObject(bucket, decodeURIComponent(object)));
        // What it was made of is not told, but that it was made of something.
        return {
          ...{ diskSizeGb: "1", status: "READY", sourceType: "RAW", archiveSizeBytes: "1", architecture: "X86_64" },
          ...{ storageLocations: ["eu"], labelFingerprint: "42WmSpB8rSM=" },
          rawDisk: { source: "", containerType: "TAR" },
        };
      },
    },
    firewalls: {
      fields: [
        ...["name", "description", "network", "direction", "allowed", "sourceRanges", "targetTags", "priority"],
        ...["disabled", "logConfig"],
      ],
      create: ({ allowed, sourceRanges, targetTags, network }) => {
        // The client's names of fields are capitalised here.
        checkAllowed((allowed as Json[]).map(({ IPProtocol, ports }) => ({ protocol: IPProtocol, ports })));
        checkSourceRanges(sourceRanges as string[]);
        (targetTags as string[]).forEach(checkName);
        return { network: linkOf(network) };
      },
    },
    instances: {
      fields: [
        ...["name", "machineType", "disks", "networkInterfaces", "metadata", "tags", "labels", "scheduling"],
        ...["canIpForward", "deletionProtection", "params", "description"],
      ],
      create: ({ machineType, disks, networkInterfaces, metadata, tags, labels, name }, link) => {
        checkLabels(labels);
        const { items: tagged = [] } = (tags ?? {}) as { items?: string[] };
        tagged.forEach(checkName);
        const { items = [] } = (metadata ?? {}) as { items?: { key: string; value: string }[] };
        checkMetadata(Object.fromEntries(items.map(({ key, value }) => [key, value])));
        const type = String(machineType).split("/").at(-1) ?? "";
        if (!this.#machineTypes.some(({ name }) => name === type))
          throw new Error(`googleapi: Error 404: machineTypes/${type} was not found`);
        const [{ initializeParams: disk, autoDelete = false }] = disks as [AttachedDisk];
        const image = this.#image(disk.sourceImage);
        const diskType = disk.diskType?.split("/").at(-1);
        checkDevices(
          type,
          {
            image,
            ...(diskType !== undefined && { type: diskType }),
            ...(disk.diskSizeGb !== undefined && { size: Number(disk.diskSizeGb) }),
          },
          networkInterfaces as { nicType?: string }[],
        );
        const zone = link.slice(0, link.indexOf("/instances/"));
        const diskLink = `${zone}/disks/${String(name)}`;
        this.resources.set(diskLink.slice(`${SITE}projects/${PROJECT}/`.length), {
          ...{
            name,
            selfLink: diskLink,
            zone,
            sizeGb: disk.diskSizeGb ?? String(image["diskSizeGb"]),
            status: "READY",
          },
          ...{ type: `${zone}/diskTypes/${diskType ?? "pd-standard"}`, sourceImage: image["selfLink"] },
          ...{ guestOsFeatures: image["guestOsFeatures"], architecture: "X86_64" },
        });
        const [card] = networkInterfaces as [{ network?: string; accessConfigs?: Json[] }];
        return {
          ...{ zone, status: "RUNNING", cpuPlatform: "Intel Broadwell", labelFingerprint: "42WmSpB8rSM=" },
          machineType: linkOf(machineType),
          metadata: { items, fingerprint: "oVZQmwPqBkE=" },
          tags: { items: tagged, fingerprint: "42WmSpB8rSM=" },
          scheduling: {
            automaticRestart: true,
            onHostMaintenance: "MIGRATE",
            preemptible: false,
            provisioningModel: "STANDARD",
          },
          shieldedInstanceConfig: { enableSecureBoot: false, enableVtpm: true, enableIntegrityMonitoring: true },
          networkInterfaces: [
            {
              ...card,
              ...{ name: "nic0", networkIP: "10.0.0.7", stackType: "IPV4_ONLY", fingerprint: "vYgtvGBYuUM=" },
              network: linkOf(card.network),
              subnetwork: `${SITE}projects/${PROJECT}/regions/europe-west3/subnetworks/default`,
              accessConfigs: (card.accessConfigs ?? []).map((config) => ({
                ...config,
                ...{ name: "External NAT", type: "ONE_TO_ONE_NAT", natIP: "203.0.113.7", networkTier: "PREMIUM" },
              })),
            },
          ],
          disks: [
            {
              ...{
                type: "PERSISTENT",
                mode: "READ_WRITE",
                source: diskLink,
                deviceName: "persistent-disk-0",
                index: 0,
              },
              ...{
                boot: true,
                autoDelete,
                interface: "SCSI",
                diskSizeGb: disk.diskSizeGb ?? String(image["diskSizeGb"]),
              },
              ...{ guestOsFeatures: image["guestOsFeatures"], architecture: "X86_64" },
            },
          ],
        };
      },
      delete: ({ selfLink }) => this.resources.delete(pathOf(String(selfLink)).replace("/instances/", "/disks/")),
    },
  };

  /** @param readObject - An object of Cloud Storage; rejects when it is not there. */
  constructor(private readonly readObject: (bucket: string, object: string) => Promise<Buffer>) {
    super(60_000);
  }

  /** The resources of a kind: `images`. */
  all(kind: string): Json[] {
    return [...this.resources].filter(([path]) => path.includes(`/${kind}/`)).map(([, resource]) => resource);
  }

  protected override async serve(message: IncomingMessage, response: ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of message) chunks.push(chunk as Buffer);
    const url = new URL(message.url ?? "", this.endpoint);
    const [method = "", body] = [message.method, Buffer.concat(chunks).toString()];
    const answer = await this.#answer(method, url, body === "" ? {} : (JSON.parse(body) as Json)).catch(
      (error: Error) => {
        // The client puts the status before the message by itself.
        const [, status = "500", text = error.stack ?? error.message] =
          /^googleapi: Error (\d+): (.*)/.exec(error.message) ?? [];
        return { error: { code: Number(status), message: text, errors: [{ message: text, reason: "invalid" }] } };
      },
    );
    const status = "error" in answer && !("kind" in answer) ? (answer.error as { code: number }).code : 200;
    response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(answer));
  }

  async #answer(method: string, url: URL, request: Json): Promise<Json> {
    const path = url.pathname.startsWith(BASE) ? url.pathname.slice(BASE.length) : undefined;
    const [, scope = "", kind = "", name] =
      /^(global|zones\/[a-z0-9-]+)\/([a-zA-Z]+)(?:\/([a-z0-9-]+))?$/.exec(path ?? "") ?? [];
    if (path === undefined || scope === "")
      throw new Error(`googleapi: Error 404: there is no ${method} ${url.pathname}`);
    if (method === "GET") return this.#look(path, kind, name, url.searchParams);
    this.asked.push(`${method} ${path}`);
    const known = this.#kinds[kind];
    if (known !== undefined && method === "POST" && name === undefined)
      return this.#create(known, `${scope}/${kind}`, request);
    if (known !== undefined && method === "DELETE" && name !== undefined) return this.#delete(known, path);
    throw new Error(`googleapi: Error 404: there is no ${method} ${path}`);
  }

  #look(path: string, kind: string, name: string | undefined, query: URLSearchParams): Json {
    if (kind === "machineTypes" && name === undefined) {
      const [, wanted] = /^name = "([a-z0-9-]+)"$/.exec(query.get("filter") ?? "") ?? [];
      const zone = path.split("/")[1] ?? "";
      const items = this.#machineTypes.filter((type) => type.name === wanted).map((type) => ({ ...type, zone }));
      return { kind: "compute#machineTypeList", items };
    }
    const found = kind === "operations" ? this.#operations.get(name ?? "") : this.resources.get(path);
    if (found === undefined)
      throw new Error(`googleapi: Error 404: The resource 'projects/${PROJECT}/${path}' was not found`);
    // Whoever asks again is told that it has been done.
    if (kind === "operations") this.#operations.set(name ?? "", { ...found, status: "DONE", progress: 100 });
    return found;
  }

  async #create({ fields, create }: Kind, path: string, request: Json): Promise<Json> {
    const name = request["name"];
    checkName(name);
    for (const field of Object.keys(request))
      if (!fields.includes(field)) throw new Error(`googleapi: Error 400: Unknown name "${field}": Cannot find field.`);
    const own = `${path}/${String(name)}`;
    if (this.resources.has(own))
      throw new Error(`googleapi: Error 409: The resource 'projects/${PROJECT}/${own}' already exists`);
    const selfLink = `${SITE}projects/${PROJECT}/${own}`;
    const told = await create(request, selfLink);
    this.resources.set(own, {
      id: String(this.resources.size + 1),
      ...request,
      ...told,
      selfLink,
      creationTimestamp: "2026-01-01T00:00:00.000-00:00",
    });
    return this.#operation("insert", selfLink);
  }

  #delete(kind: Kind, path: string): Json {
    const found = this.resources.get(path);
    if (found === undefined)
      throw new Error(`googleapi: Error 404: The resource 'projects/${PROJECT}/${path}' was not found`);
    this.resources.delete(path);
    kind.delete?.(found);
    return this.#operation("delete", String(found["selfLink"]));
  }

  /** Something that is being done, until it is asked for the second time. */
  #operation(operationType: string, targetLink: string): Json {
    const name = `operation-${this.#operations.size + 1}`;
    const [zone] = /^.*\/zones\/[^/]+/.exec(targetLink) ?? [];
    const operation = {
      ...{ kind: "compute#operation", id: name, name, operationType, targetLink, status: "RUNNING", progress: 0 },
      selfLink: `${zone ?? `${SITE}projects/${PROJECT}/global`}/operations/${name}`,
      ...(zone !== undefined && { zone }),
    };
    this.#operations.set(name, operation);
    return operation;
  }

  #image(link: string): Json {
    const found = this.resources.get(pathOf(linkOf(link) ?? ""));
    if (found === undefined) throw new Error(`googleapi: Error 404: The resource '${link}' was not found`);
    return found;
  }
}

/** A resource's URL, of its path below the project's or the site's or of the URL itself. */
function linkOf(reference: unknown): string | undefined {
  if (typeof reference !== "string") return undefined;
  if (reference.startsWith("https://")) return reference;
  return reference.startsWith("projects/") ? `${SITE}${reference}` : `${SITE}projects/${PROJECT}/${reference}`;
}

/** The path below the project. */
function pathOf(link: string): string {
  return link.slice(`${SITE}projects/${PROJECT}/`.length);
}
