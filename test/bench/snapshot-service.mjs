// Takes snapshots as the EBS direct APIs do, keeps nothing of them and checks nothing: what an upload to it costs is the sender's part. Prints its
// port, and answers /received with the bytes of blocks that have come in since it was last asked.
import http from "node:http";

let received = 0;

const json = (response, status, value, headers = {}) => {
  response.writeHead(status, { "content-type": "application/json", ...headers });
  response.end(JSON.stringify(value));
};

const server = http.createServer((request, response) => {
  let size = 0;
  request.on("data", (data) => (size += data.length));
  request.once("end", () => {
    const { method, url, headers } = request;
    if (method === "GET" && url === "/received") {
      json(response, 200, received);
      received = 0;
    } else if (method === "PUT") {
      received += size;
      const checksum = headers["x-amz-checksum"];
      response.writeHead(201, { "x-amz-checksum": checksum, "x-amz-checksum-algorithm": "SHA256" });
      response.end();
    } else if (url === "/snapshots") {
      json(response, 201, { SnapshotId: "snap-0123456789abcdef0", Status: "pending", BlockSize: 512 * 1024 });
    } else {
      json(response, 202, { Status: "pending" });
    }
  });
});
server.listen(0, "127.0.0.1", () => console.log(server.address().port));
process.once("disconnect", () => process.exit());
