/** The least that an identity must be allowed to do, as permissions of Google Cloud's IAM. */
export interface Permissions {
  /** On the bucket. */
  bucket: readonly string[];
  /** On the project. */
  project: readonly string[];
}

/**
 * The least that it takes for `Image` to work: upload objects to a bucket, delete them, and make, read and delete images.
 *
 * ```ts
 * const role = (id: string, permissions: readonly string[]) =>
 *   new gcp.projects.IAMCustomRole(id, { roleId: id, title: id, permissions: [...permissions] });
 * new gcp.storage.BucketIAMMember("upload", { bucket, member, role: role("unikernelUpload", ukgcp.uploadPermissions.bucket).name });
 * new gcp.projects.IAMMember("images", { project, member, role: role("unikernelImages", ukgcp.uploadPermissions.project).name });
 * ```
 */
export const uploadPermissions: Permissions = {
  // Without `list` Google answers of an object that is not there yet as of one that is forbidden.
  bucket: ["storage.objects.create", "storage.objects.delete", "storage.objects.get", "storage.objects.list"],
  project: [
    "compute.globalOperations.get",
    "compute.images.create",
    "compute.images.delete",
    "compute.images.get",
    "compute.images.setLabels",
  ],
};

/** What it takes beyond {@link uploadPermissions} for `target` to work: make, change and delete an instance and its firewall rules. */
export const instancePermissions: Pick<Permissions, "project"> = {
  project: [
    "compute.disks.create",
    "compute.firewalls.create",
    "compute.firewalls.delete",
    "compute.firewalls.get",
    "compute.firewalls.update",
    "compute.images.useReadOnly",
    "compute.instances.create",
    "compute.instances.delete",
    "compute.instances.get",
    "compute.instances.setLabels",
    "compute.instances.setMachineType",
    "compute.instances.setMetadata",
    "compute.instances.setTags",
    "compute.instances.start",
    "compute.instances.stop",
    "compute.machineTypes.list",
    "compute.networks.get",
    "compute.networks.updatePolicy",
    "compute.subnetworks.use",
    "compute.subnetworks.useExternalIp",
    "compute.zoneOperations.get",
    "compute.zones.get",
  ],
};
