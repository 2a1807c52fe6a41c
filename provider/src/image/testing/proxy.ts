import { execFileSync } from "node:child_process";
import { readFileSync } from "node:fs";
import * as http from "node:http";
import * as https from "node:https";
import * as net from "node:net";
import * as path from "node:path";
import { listen } from "./listen.js";

/** A server with a certificate of its own, under a name that nobody can look up, and the proxy that leads to it. */
export interface ProxiedServer {
  /** Of the server itself. */
  port: number;
  /** The file with the server's certificate, in PEM's format. */
  certificate: string;
  /** The proxy's URL. */
  proxy: string;
  /** What the proxy was asked for, `host:port`. */
  asked: string[];
}

/** Starts both until the test ends; the certificate is for the name and for 127.0.0.1. */
export async function startProxied(folder: string, name: string, serve: http.RequestListener): Promise<ProxiedServer> {
  const [key, certificate] = [path.join(folder, "key.pem"), path.join(folder, "certificate.pem")];
  const subject = ["-subj", `/CN=${name}`, "-addext", `subjectAltName=DNS:${name},IP:127.0.0.1`];
  const kind = ["-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2"];
  execFileSync("openssl", ["req", ...kind, ...subject, "-keyout", key, "-out", certificate], { stdio: "pipe" });
  const port = await listen(https.createServer({ key: readFileSync(key), cert: readFileSync(certificate) }, serve));
  const asked: string[] = [];
  const proxy = http.createServer().on("connect", (request: http.IncomingMessage, socket: net.Socket) => {
    asked.push(request.url ?? "");
    const onward = net.connect(port, "127.0.0.1", () => {
      socket.write("HTTP/1.1 200 Connection Established\r\n\r\n");
      onward.pipe(socket).pipe(onward);
    });
    for (const end of [onward, socket]) end.on("error", () => undefined);
  });
  return { port, certificate, proxy: `http://127.0.0.1:${await listen(proxy)}`, asked };
}
