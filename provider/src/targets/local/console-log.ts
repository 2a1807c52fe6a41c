import { open } from "node:fs/promises";
import { stripVTControlCharacters } from "node:util";

/** The last lines of a console or of another log, without control sequences. */
export async function consoleTail(file: string, lines = 20): Promise<string[]> {
  let handle;
  try {
    handle = await open(file, "r");
  } catch {
    return [];
  }
  try {
    const { size } = await handle.stat();
    const buffer = Buffer.alloc(Math.min(size, 16 * 1024));
    await handle.read(buffer, 0, buffer.length, size - buffer.length);
    const text = stripVTControlCharacters(buffer.toString("utf8")).replaceAll("\r", "").trimEnd();
    return text === "" ? [] : text.split("\n").slice(-lines);
  } finally {
    await handle.close();
  }
}

/** The console's last lines as an indented block to end a message with. */
export async function quoteConsole(file: string): Promise<string> {
  const lines = await consoleTail(file);
  if (lines.length === 0) return "The console is empty.";
  return ["The last lines of the console:", ...lines.map((line) => `    ${line}`)].join("\n");
}
