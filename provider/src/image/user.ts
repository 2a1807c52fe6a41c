import { VisibleError } from "./errors.js";
import { readText } from "./read-file.js";
import type { User } from "./runtime-config.js";
import type { Directory } from "./tree.js";

/**
 * Looks up `name`, `uid`, `name:group`, `uid:gid` (and their mixtures) in the image's own `/etc/passwd` and `/etc/group`.
 *
 * @see https://github.com/opencontainers/image-spec/blob/v1.1.0/conversion.md
 */
export function lookUpUser(root: Directory, user: string): { user: User; home: string } {
  const [userPart = "", groupPart = ""] = user.split(":", 2);
  const passwd = records(readText(root, "/etc/passwd"));
  const groups = records(readText(root, "/etc/group"));

  const wanted = userPart === "" ? "0" : userPart;
  const account = passwd.find(([name]) => name === wanted) ?? passwd.find(([, , uid]) => uid === wanted);
  if (!account && !isId(wanted)) {
    throw new VisibleError(`The user "${wanted}" that the image is to run as is not in its /etc/passwd.`);
  }
  const uid = Number(account?.[2] ?? wanted);
  const home = account?.[5] || "/";

  if (groupPart !== "") {
    const group = groups.find(([name]) => name === groupPart) ?? groups.find(([, , gid]) => gid === groupPart);
    if (!group && !isId(groupPart)) {
      throw new VisibleError(`The group "${groupPart}" that the image is to run as is not in its /etc/group.`);
    }
    return { user: { uid, gid: Number(group?.[2] ?? groupPart) }, home };
  }
  const gid = Number(account?.[3] ?? 0);
  const additionalGids = groups
    .filter(([, , , members]) => account !== undefined && members?.split(",").includes(account[0] as string))
    .map(([, , id]) => Number(id))
    .filter((id) => id !== gid);
  return { user: { uid, gid, ...(additionalGids.length > 0 ? { additionalGids } : {}) }, home };
}

function records(text: string | undefined): string[][] {
  return (text ?? "")
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.trimEnd().split(":"));
}

function isId(text: string): boolean {
  return /^\d+$/.test(text) && Number(text) <= 0xffffffff;
}
