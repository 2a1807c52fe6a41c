"use strict";
process.on("message", (message) => {
  if (message === "end") process.exit(7);
  process.send({ answer: message.question * 7, args: process.argv.slice(2), parent: process.ppid });
});
