import { gunzipSync } from "node:zlib";
import type { StorageService } from "../../../provider/src/targets/gcp/testing/storage-service.js";
import { StandInPlugin, type Kind, type Properties } from "../../support/stand-in-plugin.js";

/** RFC 1035, as Compute Engine wants names and tags. */
const NAME = /^[a-z]([-a-z0-9]{0,61}[a-z0-9])?$/;
const LABEL = /^[\p{Ll}0-9_-]{0,63}$/u;
const FEATURES = ["UEFI_COMPATIBLE", "VIRTIO_SCSI_MULTIQUEUE", "GVNIC", "MULTI_IP_SUBNET", "SEV_CAPABLE"];
const GIB = 2 ** 30;

interface DiskParams {
  image: string;
  type?: string;
  size?: number;
}

/**
 * Network cards and disks of a machine of the first generations, and of the fourth: that has gVNIC alone, for images that say that they
 * have a driver for it, and Hyperdisks of 4 GiB and more.
 */
function checkDevices(
  machineType: string,
  { type = "pd-standard", size, image }: Omit<DiskParams, "image"> & { image: Properties },
  [card]: { nicType?: string }[],
): void {
  const isNew = machineType.startsWith("n4");
  const features = (image["guestOsFeatures"] ?? []) as { type: string }[];
  const hasGvnic = features.some((feature) => feature.type === "GVNIC");
  if (card?.nicType === "GVNIC" ? !hasGvnic : isNew)
    throw new Error(`googleapi: Error 400: NIC type ${String(card?.nicType)} is not supported for ${machineType}`);
  if (type.startsWith("hyperdisk-") !== isNew)
    throw new Error(`googleapi: Error 400: ${type} disk type cannot be used by ${machineType} machine type`);
  if (isNew && Number(size ?? image["diskSizeGb"]) < 4)
    throw new Error("googleapi: Error 400: Disk size cannot be smaller than 4 GB");
}

/** A strict stand-in for the plugin of `@pulumi/gcp`, whose Compute Engine imports what is in the storage service. */
export class GcpPlugin extends StandInPlugin {
  /** By name: what `getMachineTypes` tells. */
  readonly machineTypes: Record<string, Properties> = {
    "e2-micro": { memoryMb: 1024, guestCpus: 2 },
    "n4-standard-2": { memoryMb: 8192, guestCpus: 2 },
  };
  /** The archives that images were made of, by the images' ids: they outlive the objects. */
  readonly archives = new Map<string, Buffer>();
  protected readonly version = "9.37.0";
  protected readonly kinds: Record<string, Kind> = {
    "gcp:compute/image:Image": {
      id: ({ name }) => `projects/shop/global/images/${String(name)}`,
      required: ["name"],
      optional: [
        ...["description", "rawDisk", "guestOsFeatures", "family", "labels", "licenses", "storageLocations"],
        ...["imageEncryptionKey", "project", "diskSizeGb"],
      ],
      forceNew: [
        ...["name", "description", "rawDisk", "guestOsFeatures", "family", "licenses", "storageLocations"],
        ...["imageEncryptionKey", "project", "diskSizeGb"],
      ],
      autoNamed: true,
      create: ({ name, rawDisk, guestOsFeatures, labels }, id) => {
        checkName(name);
        checkLabels(labels);
        if (this.resources.has(id)) throw new Error(`googleapi: Error 409: The resource '${id}' already exists`);
        for (const { type } of (guestOsFeatures ?? []) as { type: string }[])
          if (!FEATURES.includes(type)) throw new Error(`googleapi: Error 400: Invalid value '${type}'`);
        this.archives.set(id, this.#import((rawDisk as { source: string }).source));
        return { selfLink: `https://www.googleapis.com/compute/v1/${id}`, diskSizeGb: 1 };
      },
      delete: (id) => this.archives.delete(id),
    },
    "gcp:compute/firewall:Firewall": {
      id: ({ name }) => `projects/shop/global/firewalls/${String(name)}`,
      required: ["network", "name"],
      optional: ["description", "direction", "allows", "sourceRanges", "targetTags", "priority", "project"],
      forceNew: ["name", "network", "direction", "project"],
      autoNamed: true,
      create: ({ name, allows, sourceRanges, targetTags }) => {
        checkName(name);
        if (!Array.isArray(allows) || allows.length === 0)
          throw new Error("googleapi: Error 400: one of allowed or denied must be set");
        for (const { protocol, ports } of allows as { protocol: string; ports: string[] }[])
          if (!["tcp", "udp"].includes(protocol) || ports.length === 0 || !ports.every((port) => /^\d+$/.test(port)))
            throw new Error("googleapi: Error 400: Invalid value for field 'resource.allowed'");
        const kinds = new Set((sourceRanges as string[]).map((block) => block.includes(":")));
        if (kinds.size !== 1)
          throw new Error("googleapi: Error 400: source ranges of both IPv4 and IPv6 are not allowed in one rule");
        (targetTags as string[]).forEach(checkName);
        return {};
      },
    },
    "gcp:compute/instance:Instance": {
      id: ({ name, zone }) => `projects/shop/zones/${String(zone)}/instances/${String(name)}`,
      required: ["machineType", "bootDisk", "networkInterfaces", "name"],
      optional: ["metadata", "tags", "labels", "zone", "project", "allowStoppingForUpdate", "serviceAccount"],
      forceNew: ["name", "zone", "bootDisk", "networkInterfaces", "project"],
      autoNamed: true,
      create: ({ name, bootDisk, networkInterfaces, metadata, tags, labels, machineType, zone }) => {
        checkName(name);
        checkLabels(labels);
        (tags as string[]).forEach(checkName);
        if (zone === undefined) throw new Error("googleapi: Error 400: the zone is missing");
        if (this.machineTypes[machineType as string] === undefined)
          throw new Error(`googleapi: Error 404: machineTypes/${String(machineType)} was not found`);
        const { image, ...disk } = (bootDisk as { initializeParams: DiskParams }).initializeParams;
        const found = this.all("gcp:compute/image:Image").find(({ selfLink }) => selfLink === image);
        if (found === undefined) throw new Error(`googleapi: Error 404: The resource '${image}' was not found`);
        checkDevices(machineType as string, { ...disk, image: found }, networkInterfaces as { nicType?: string }[]);
        for (const [key, value] of Object.entries((metadata ?? {}) as Record<string, string>))
          if (!/^[a-zA-Z0-9_-]{1,127}$/.test(key) || Buffer.byteLength(value) > 256 * 1024)
            throw new Error(`googleapi: Error 400: Invalid value for field 'metadata.${key}'`);
        const [first] = networkInterfaces as { accessConfigs?: object[] }[];
        const accessConfigs = first?.accessConfigs?.map(() => ({ natIp: "203.0.113.7" }));
        return { networkInterfaces: [{ ...first, networkIp: "10.0.0.7", ...(accessConfigs && { accessConfigs }) }] };
      },
    },
  };

  constructor(readonly storage: StorageService) {
    super();
  }

  protected invoke(token: string, { filter, zone }: Properties): Properties {
    if (token !== "gcp:compute/getMachineTypes:getMachineTypes")
      throw new Error(`the stand-in for Google Cloud does not know ${token}`);
    const [, name = ""] = /^name = "([a-z0-9-]+)"$/.exec(filter as string) ?? [];
    const found = this.machineTypes[name];
    return { id: "types", project: "shop", zone, machineTypes: found === undefined ? [] : [{ name, ...found }] };
  }

  /** Takes an archive as Compute Engine does: from a bucket, `disk.raw` in a gzipped tar archive, as large as whole GiBs. */
  #import(source: string): Buffer {
    const [, key = ""] = /^https:\/\/storage\.googleapis\.com\/(.+)$/.exec(source) ?? [];
    const object = this.storage.objects.get(key);
    if (object === undefined)
      throw new Error(
        `googleapi: Error 400: Required 'read' permission for 'rawDisk.source' ${source}, or it is not there`,
      );
    const archive = object.content;
    const header = gunzipSync(archive).subarray(0, 512);
    const text = (at: number, length: number): string =>
      header
        .subarray(at, at + length)
        .toString("latin1")
        .split("\0")[0] ?? "";
    if (text(0, 100) !== "disk.raw") throw new Error("googleapi: Error 400: The tar archive has no disk.raw");
    if (text(257, 8) !== "ustar  ") throw new Error("googleapi: Error 400: The tar archive is not of the old GNU form");
    if (parseInt(text(483, 12), 8) % GIB !== 0) throw new Error("googleapi: Error 400: The disk is not of whole GiBs");
    return Buffer.from(archive);
  }
}

function checkName(name: unknown): void {
  if (typeof name !== "string" || !NAME.test(name))
    throw new Error(`googleapi: Error 400: Invalid value for field 'name': '${String(name)}'`);
}

function checkLabels(labels: unknown): void {
  for (const [key, value] of Object.entries((labels ?? {}) as Record<string, string>))
    if (!/^[a-z]/.test(key) || !LABEL.test(key) || !LABEL.test(value))
      throw new Error(`googleapi: Error 400: Invalid label '${key}: ${value}'`);
}
