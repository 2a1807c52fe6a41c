// The server of Node.js's own documentation.
"use strict";
const { createServer } = require("node:http");

createServer((_request, response) => {
  response.writeHead(200, { "content-type": "text/plain" });
  response.end("Hello from Node.js\n");
}).listen(8080);
