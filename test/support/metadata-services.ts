import * as http from "node:http";
import type { AddressInfo } from "node:net";

/** A service on a port of this machine. */
export type MetadataService = http.Server & { port: number };

/** Google's metadata server with these attributes. It answers only who says what Google wants to be said. */
export function googleMetadata(
  attributes: { [name: string]: string },
  hostname = "web-1.c.project.internal",
): Promise<MetadataService> {
  const answers = new Map([["/computeMetadata/v1/instance/hostname", hostname]]);
  for (const [name, value] of Object.entries(attributes))
    answers.set(`/computeMetadata/v1/instance/attributes/${name}`, value);
  return serve((request, response) => {
    const body = request.headers["metadata-flavor"] === "Google" ? answers.get(request.url ?? "") : undefined;
    response.writeHead(body === undefined ? 404 : 200, { "Metadata-Flavor": "Google" }).end(body);
  });
}

/** Amazon's service, version 2, with this user data. It answers only who brings its token; the requests that it got are in the list. */
export function amazonMetadata(userData: string | undefined, requests: string[] = []): Promise<MetadataService> {
  return serve((request, response) => {
    requests.push(`${request.method} ${request.url}`);
    const answer = (status: number, body = ""): void => void response.writeHead(status).end(body);
    if (request.method === "PUT" && request.url === "/latest/api/token") {
      answer(request.headers["x-aws-ec2-metadata-token-ttl-seconds"] === "60" ? 200 : 400, "dG9rZW4=");
    } else if (request.headers["x-aws-ec2-metadata-token"] !== "dG9rZW4=") answer(401);
    else if (request.url === "/latest/user-data") answer(userData === undefined ? 404 : 200, userData);
    else if (request.url === "/latest/meta-data/local-hostname") answer(200, "ip-169-254-0-15.ec2.internal");
    else answer(404);
  });
}

async function serve(answer: http.RequestListener): Promise<MetadataService> {
  const server = http.createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(server, { port: (server.address() as AddressInfo).port });
}
