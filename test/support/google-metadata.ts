import * as http from "node:http";
import type { AddressInfo } from "node:net";

/** Google's metadata server with these attributes, on a port of this machine. It answers only who says what Google wants to be said. */
export async function googleMetadata(
  attributes: { [name: string]: string },
  hostname = "web-1.c.project.internal",
): Promise<http.Server & { port: number }> {
  const answers = new Map([["/computeMetadata/v1/instance/hostname", hostname]]);
  for (const [name, value] of Object.entries(attributes))
    answers.set(`/computeMetadata/v1/instance/attributes/${name}`, value);
  const server = http.createServer((request, response) => {
    const body = request.headers["metadata-flavor"] === "Google" ? answers.get(request.url ?? "") : undefined;
    response.writeHead(body === undefined ? 404 : 200, { "Metadata-Flavor": "Google" }).end(body);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  return Object.assign(server, { port: (server.address() as AddressInfo).port });
}
