import { gunzipSync } from "node:zlib";
import { get } from "node:http";
import { buffer } from "node:stream/consumers";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { Guest } from "../../support/guest.js";
import { Machine } from "../../support/machine.js";

let machine: Machine;
beforeEach(() => {
  machine = new Machine();
});
afterEach(() => machine.dispose());

/** A browser with one site's cookies, as far as Rails' forms need one. */
class Browser {
  private cookie = "";

  constructor(private readonly guest: Guest) {}

  async request(location: string, init: RequestInit = {}): Promise<Response> {
    const response = await this.guest.fetch(location, {
      ...init,
      redirect: "manual",
      headers: { connection: "close", cookie: this.cookie },
    });
    const set = response.headers.getSetCookie().map((value) => value.split(";")[0]);
    if (set.length > 0) this.cookie = set.join("; ");
    return response;
  }

  /** Sends the form on a page with these fields; resolves to where it leads, or to the status of what it answers. */
  async submit(page: string, action: string, fields: Record<string, string>, method = "post"): Promise<string> {
    const html = await (await this.request(page)).text();
    const token = /name="authenticity_token" value="([^"]+)"/.exec(html)?.[1] ?? "";
    const body = new URLSearchParams({ authenticity_token: token, _method: method, ...fields });
    const answer = await this.request(action, { method: "POST", body });
    const location = answer.headers.get("location");
    return location ? new URL(location).pathname : String(answer.status);
  }
}

describe("Rails with SQLite and Puma in cluster mode, as its generators make it", () => {
  test("serves forms, sessions and assets from two workers on two CPUs", async () => {
    // A secret of the instance, not of the image. One thread in each worker: in Rails 6.1 one that waits for SQLite's lock keeps Ruby's own from
    // the one that has it, and gives up after five seconds.
    const env = { SECRET_KEY_BASE: "0123456789abcdef".repeat(8), RAILS_MAX_THREADS: "1" };
    const guest = await Guest.container(machine, "rails", { cpus: 2, memory: 256, env });
    const browser = new Browser(guest);

    const article = { "article[title]": "The <first>", "article[body]": "Grüße\nand more" };
    expect(await browser.submit("/articles/new", "/articles", article)).toBe("/articles/1");
    const shown = await (await browser.request("/articles/1")).text();
    expect(shown).toContain("Article was successfully created.");
    expect(shown).toContain("The &lt;first&gt;");
    expect(shown).toContain("Grüße");
    expect(await (await browser.request("/articles/1")).text()).not.toContain("successfully");

    const changed = { "article[title]": "Another title" };
    expect(await browser.submit("/articles/1/edit", "/articles/1", changed, "patch")).toBe("/articles/1");
    expect(await guest.text("/articles")).toContain("Another title");

    // A form that was not Rails' own is refused.
    const forged = await guest.fetch("/articles", { method: "POST", body: new URLSearchParams(article) });
    expect(forged.status).toBe(422);

    // What bcrypt, written in C, makes of a password; the form comes again when the confirmation differs, and the index refuses a second of the
    // same name.
    const user = { "user[name]": "ada", "user[password]": "secret", "user[password_confirmation]": "secret" };
    expect(await browser.submit("/users/new", "/users", user)).toBe("/users/1");
    const wrong = { ...user, "user[name]": "bob", "user[password_confirmation]": "another" };
    expect(await browser.submit("/users/new", "/users", wrong)).toBe("200");
    expect(await browser.submit("/users/new", "/users", user)).toBe("500");

    // Both workers write to the database, and wait for each other.
    await guest.many(16, async () => {
      const visitor = new Browser(guest);
      expect(await visitor.submit("/articles/new", "/articles", article)).toMatch(/^\/articles\/\d+$/);
    });
    const list = await guest.text("/articles");
    expect(list.match(/The &lt;first&gt;/g)).toHaveLength(16);

    // As browsers ask for it: fetch() would unpack it unseen.
    const [, stylesheet = ""] = /href="(\/assets\/application-\w+\.css)"/.exec(list) ?? [];
    const packed = await new Promise<Buffer>((resolve, reject) => {
      const url = `http://127.0.0.1:${guest.port(8080)}${stylesheet}`;
      get(url, { headers: { "accept-encoding": "gzip" }, agent: false }, (answer) => {
        expect(answer.headers["content-encoding"]).toBe("gzip");
        resolve(buffer(answer));
      }).on("error", reject);
    });
    expect(gunzipSync(packed).toString()).toContain("font-family");

    await guest.powerDown();
    // Puma ends itself by the signal that it was sent.
    expect(await guest.end()).toMatchObject({ exitCode: 128 + 15 });
    const said = guest.console();
    expect(said).toContain("Gracefully shutting down workers...");
    expect(new Set(said.match(/Worker \d/g))).toEqual(new Set(["Worker 0", "Worker 1"]));
    expect(said).not.toMatch(/^unikernel: (?!the application was ended by SIGTERM)/m);
  });
});
