import * as gcp from "@pulumi/gcp";
import * as pulumi from "@pulumi/pulumi";
import * as unikernel from "pulumi-unikernel";
import * as ukgcp from "pulumi-unikernel/gcp";

const config = new pulumi.Config();
const region = config.require("region");
const port = 8080;
const network = "default";
const tag = `${pulumi.getProject()}-${pulumi.getStack()}`;

const image = new unikernel.Image("web", { source: { container: config.require("container") } });
const bucket = new gcp.storage.Bucket("images", { location: region, uniformBucketLevelAccess: true });
const gce = new ukgcp.Image("web", { image, bucket, storageLocations: [region] });

// Nobody but Google's load balancers and health checks reaches the guests, which have no public address.
new gcp.compute.Firewall("web", {
  network,
  direction: "INGRESS",
  allows: [{ protocol: "tcp", ports: [String(port)] }],
  sourceRanges: ["130.211.0.0/22", "35.191.0.0/16"],
  targetTags: [tag],
});

// Another digest is another image, another image another template, and that starts the replacement of the group's instances.
const template = new gcp.compute.InstanceTemplate("web", {
  machineType: gce.fitting("e2-micro"),
  disks: [{ sourceImage: gce.selfLink, boot: true, autoDelete: true }],
  networkInterfaces: [{ network, nicType: "VIRTIO_NET" }],
  metadata: ukgcp.metadata({ env: { GREETING: config.require("greeting") } }),
  tags: [tag],
});
const health = new gcp.compute.HealthCheck("web", {
  checkIntervalSec: 5,
  timeoutSec: 5,
  healthyThreshold: 2,
  unhealthyThreshold: 3,
  httpHealthCheck: { port, requestPath: "/" },
});
const group = new gcp.compute.RegionInstanceGroupManager("web", {
  region,
  baseInstanceName: "web",
  versions: [{ instanceTemplate: template.selfLinkUnique }],
  targetSize: 2,
  namedPorts: [{ name: "http", port }],
  // A guest is there within seconds.
  autoHealingPolicies: { healthCheck: health.id, initialDelaySec: 30 },
  updatePolicy: {
    type: "PROACTIVE",
    minimalAction: "REPLACE",
    replacementMethod: "SUBSTITUTE",
    // As many as the region has zones is the least that a group over all of them takes.
    maxSurgeFixed: 3,
    maxUnavailableFixed: 0,
  },
  waitForInstances: true,
  waitForInstancesStatus: "UPDATED",
});

const service = new gcp.compute.BackendService("web", {
  loadBalancingScheme: "EXTERNAL_MANAGED",
  protocol: "HTTP",
  portName: "http",
  healthChecks: health.id,
  connectionDrainingTimeoutSec: 15,
  backends: [{ group: group.instanceGroup, balancingMode: "UTILIZATION" }],
});
const routes = new gcp.compute.URLMap("web", { defaultService: service.id });
const proxy = new gcp.compute.TargetHttpProxy("web", { urlMap: routes.id });
const front = new gcp.compute.GlobalForwardingRule("web", {
  loadBalancingScheme: "EXTERNAL_MANAGED",
  target: proxy.id,
  portRange: "80",
});

export const digest = image.digest;
export const url = pulumi.interpolate`http://${front.ipAddress}`;
