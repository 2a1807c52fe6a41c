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
      // Rails asks for TLS, which a load balancer before it would end.
      headers: { connection: "close", cookie: this.cookie, "x-forwarded-proto": "https" },
    });
    const set = response.headers.getSetCookie().map((value) => value.split(";")[0]);
    if (set.length > 0) this.cookie = set.join("; ");
    return response;
  }

  async text(location: string): Promise<string> {
    const response = await this.request(location);
    expect(response.status).toBe(200);
    return response.text();
  }

  /** Sends the form on a page with these fields; resolves to where it leads, or to the status of what it answers. */
  async submit(page: string, action: string, fields: Record<string, string>, method = "post"): Promise<string> {
    const html = await this.text(page);
    const token = /name="authenticity_token" value="([^"]+)"/.exec(html)?.[1] ?? "";
    const body = new URLSearchParams({ authenticity_token: token, _method: method, ...fields });
    const answer = await this.request(action, { method: "POST", body });
    const location = answer.headers.get("location");
    return location ? new URL(location).pathname : String(answer.status);
  }
}

describe("Rails 7 with SQLite and Puma in cluster mode, as its generators make it", () => {
  test("serves forms, sessions and assets from two workers on two CPUs", async () => {
    // A secret of the instance, not of the image.
    const env = { SECRET_KEY_BASE: "0123456789abcdef".repeat(8) };
    const guest = await Guest.container(machine, "rails", { cpus: 2, memory: 256, env });
    const browser = new Browser(guest);

    const article = { "article[title]": "The <first>", "article[body]": "Grüße\nand more" };
    expect(await browser.submit("/articles/new", "/articles", article)).toBe("/articles/1");
    const shown = await browser.text("/articles/1");
    expect(shown).toContain("Article was successfully created.");
    expect(shown).toContain("The &lt;first&gt;");
    expect(shown).toContain("Grüße");
    expect(await browser.text("/articles/1")).not.toContain("successfully");

    const changed = { "article[title]": "Another title" };
    expect(await browser.submit("/articles/1/edit", "/articles/1", changed, "patch")).toBe("/articles/1");
    expect(await browser.text("/articles")).toContain("Another title");

    // A form that was not Rails' own is refused, and whoever comes without TLS is sent there.
    const forged = await browser.request("/articles", { method: "POST", body: new URLSearchParams(article) });
    expect(forged.status).toBe(422);
    const plain = await guest.fetch("/articles", { redirect: "manual" });
    expect(plain.headers.get("location")).toMatch(/^https:.*\/articles$/);

    // What bcrypt, written in C, makes of a password; the form comes again when the confirmation differs, and the index refuses a second of the
    // same name.
    const user = { "user[name]": "ada", "user[password]": "secret", "user[password_confirmation]": "secret" };
    expect(await browser.submit("/users/new", "/users", user)).toBe("/users/1");
    const wrong = { ...user, "user[name]": "bob", "user[password_confirmation]": "another" };
    expect(await browser.submit("/users/new", "/users", wrong)).toBe("422");
    expect(await browser.submit("/users/new", "/users", user)).toBe("500");

    // Both workers write to the database, and wait for each other.
    await guest.many(16, async () => {
      const visitor = new Browser(guest);
      expect(await visitor.submit("/articles/new", "/articles", article)).toMatch(/^\/articles\/\d+$/);
    });
    const list = await browser.text("/articles");
    expect(list.match(/The &lt;first&gt;/g)).toHaveLength(16);

    const [, stylesheet = ""] = /href="(\/assets\/application-\w+\.css)"/.exec(list) ?? [];
    expect(await browser.text(stylesheet)).toContain("Application styles");

    await guest.powerDown();
    // Puma ends itself by the signal that it was sent.
    expect(await guest.end()).toMatchObject({ exitCode: 128 + 15 });
    const said = guest.console();
    expect(said).toContain("Gracefully shutting down workers...");
    expect(new Set(said.match(/Worker \d/g))).toEqual(new Set(["Worker 0", "Worker 1"]));
    expect(said).not.toMatch(/^unikernel: (?!the application was ended by SIGTERM)/m);
  });
});
