// What a TypeScript program with a framework of npm's looks like. It is bundled onto a runtime, so nothing of it is compiled before.
import { createHash } from "node:crypto";
import express from "express";

const app = express();
app.use(express.json());

app.get("/", (_request, response) => {
  response.json({ node: process.version, process: process.pid, args: process.argv.slice(1) });
});

app.post("/notes/:name", (request, response) => {
  const { text } = request.body as { text: string };
  const hash = createHash("sha256").update(text).digest("hex");
  response.status(201).location(`/notes/${request.params.name}`).send({ name: request.params.name, hash });
});

const server = app.listen(8080);
process.on("SIGTERM", () => server.close());
