// Carries its standard input and output to and from a port of this machine: what QEMU runs for each connection of a guest to an address that it forwards.
import net from "node:net";

const connection = net.connect({ host: "127.0.0.1", port: Number(process.argv[2]), allowHalfOpen: true });
process.stdin.pipe(connection);
connection.pipe(process.stdout);
for (const end of [connection, process.stdin, process.stdout]) end.on("error", () => process.exit(1));
connection.on("end", () => process.exit(0));
