import type { StorageService } from "../../../provider/src/targets/gcp/testing/storage-service.js";
import { StandInPlugin, type Kind, type Properties } from "../../support/stand-in-plugin.js";
import {
  checkAllowed,
  checkArchive,
  checkDevices,
  checkFeatures,
  checkLabels,
  checkMetadata,
  checkName,
  checkSourceRanges,
} from "./compute-rules.js";

interface DiskParams {
  image: string;
  type?: string;
  size?: number;
}

/** A strict stand-in for the plugin of `@pulumi/gcp`, whose Compute Engine imports what is in the storage service. */
export class GcpPlugin extends StandInPlugin {
  /** By name: what `getMachineTypes` tells. */
  readonly machineTypes: Record<string, Properties> = {
    "e2-micro": { memoryMb: 1024, guestCpus: 2 },
    "n4-standard-2": { memoryMb: 8192, guestCpus: 2 },
    "c3-standard-4": { memoryMb: 16_384, guestCpus: 4 },
    "g2-standard-4": { memoryMb: 16_384, guestCpus: 4 },
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
        checkFeatures(guestOsFeatures);
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
        checkAllowed(allows);
        checkSourceRanges(sourceRanges as string[]);
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
        checkMetadata((metadata ?? {}) as Record<string, string>);
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

  /** Takes an archive as Compute Engine does: from a bucket. */
  #import(source: string): Buffer {
    const [, key = ""] = /^https:\/\/storage\.googleapis\.com\/(.+)$/.exec(source) ?? [];
    const object = this.storage.objects.get(key);
    if (object === undefined)
      throw new Error(
        `googleapi: Error 400: Required 'read' permission for 'rawDisk.source' ${source}, or it is not there`,
      );
    checkArchive(object.content);
    return Buffer.from(object.content);
  }
}
