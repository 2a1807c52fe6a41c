import * as aws from "@pulumi/aws";
import * as pulumi from "@pulumi/pulumi";
import * as unikernel from "pulumi-unikernel";
import * as ukaws from "pulumi-unikernel/aws";

const config = new pulumi.Config();
const port = 8080;

const image = new unikernel.Image("web", { source: { container: config.require("container") } });
const ami = new ukaws.Ami("web", { image });

const vpc = aws.ec2.getVpcOutput({ default: true });
const subnets = aws.ec2.getSubnetsOutput({ filters: [{ name: "vpc-id", values: [vpc.id] }] });
const everybody = { cidrBlocks: ["0.0.0.0/0"], ipv6CidrBlocks: ["::/0"] };
const anywhere = [{ protocol: "-1", fromPort: 0, toPort: 0, ...everybody }];

const front = new aws.ec2.SecurityGroup("front", {
  vpcId: vpc.id,
  ingress: [{ protocol: "tcp", fromPort: 80, toPort: 80, ...everybody }],
  egress: anywhere,
});
// Nobody but the load balancer reaches the guests.
const guests = new aws.ec2.SecurityGroup("guests", {
  vpcId: vpc.id,
  ingress: [{ protocol: "tcp", fromPort: port, toPort: port, securityGroups: [front.id] }],
  egress: anywhere,
});

const balancer = new aws.lb.LoadBalancer("web", {
  loadBalancerType: "application",
  securityGroups: [front.id],
  subnets: subnets.ids,
});
const targets = new aws.lb.TargetGroup("web", {
  vpcId: vpc.id,
  port,
  protocol: "HTTP",
  healthCheck: { path: "/", interval: 10, healthyThreshold: 2, unhealthyThreshold: 2 },
  deregistrationDelay: 15,
});
new aws.lb.Listener("web", {
  loadBalancerArn: balancer.arn,
  port: 80,
  protocol: "HTTP",
  defaultActions: [{ type: "forward", targetGroupArn: targets.arn }],
});

// Another digest is another AMI, another AMI another version of the template, and that starts an instance refresh.
const template = new aws.ec2.LaunchTemplate("web", {
  imageId: ami.id,
  instanceType: ami.fitting("t3.nano"),
  vpcSecurityGroupIds: [guests.id],
  userData: ukaws.userDataBase64({ env: { GREETING: config.require("greeting") } }),
  metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 },
  updateDefaultVersion: true,
});
new aws.autoscaling.Group("web", {
  minSize: 2,
  maxSize: 4,
  vpcZoneIdentifiers: subnets.ids,
  launchTemplate: { id: template.id, version: template.latestVersion.apply(String) },
  targetGroupArns: [targets.arn],
  healthCheckType: "ELB",
  // A guest is there within seconds.
  healthCheckGracePeriod: 30,
  instanceRefresh: {
    strategy: "Rolling",
    preferences: { minHealthyPercentage: 100, maxHealthyPercentage: 150, instanceWarmup: "30", autoRollback: true },
  },
});

export const digest = image.digest;
export const url = pulumi.interpolate`http://${balancer.dnsName}`;
