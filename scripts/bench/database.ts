/** Throw-away databases that commit as durably as a hosted one: `fsync` stays on. */
import { rm } from "node:fs/promises";
import postgres, { type Sql } from "postgres";
import type { Database } from "../../supabase/functions/_shared/ports.ts";
import { databaseUrl, throwAwayData } from "../stack/database.ts";
import { prepareHome, projectRoot } from "../stack/paths.ts";
import { freePort } from "../stack/ports.ts";
import { startCluster } from "../stack/postgres.ts";
import { unpackPostgres } from "../stack/postgres-programs.ts";
import { loadSecrets } from "../stack/secrets.ts";

/** A running database with all migrations. */
export interface BenchDatabase {
  /** Of role `postgres`, which owns everything. */
  url: string;
  /** Ten connections as that role. */
  sql: Sql;
  stop(): Promise<void>;
}

/** Starts a database of its own; statistics are fresh, and no timer runs. */
export async function benchDatabase(): Promise<BenchDatabase> {
  const home = await prepareHome();
  const secrets = await loadSecrets(home);
  const programs = await unpackPostgres(home);
  const data = await throwAwayData({ project: projectRoot, home, programs, secrets });
  const port = freePort();
  const cluster = await startCluster(programs, data, {
    port,
    password: secrets.databasePassword,
    durable: true,
  });
  const url = databaseUrl(port, secrets);
  const sql = postgres(url, { max: 10, onnotice: () => {} });
  return {
    url,
    sql,
    async stop() {
      await sql.end({ timeout: 1 });
      await cluster.stop();
      await rm(data, { recursive: true, force: true });
    },
  };
}

/** The product's port to its database, over direct connections instead of the Data API. */
export function directDatabase(sql: Sql): Database {
  return {
    async rpc<T>(name: string, args: Record<string, unknown> = {}): Promise<T> {
      const names = Object.keys(args);
      const call = `select public.${name}(${
        names.map((argument, index) => `${argument} => $${index + 1}`)
      }) as result`;
      const values = Object.values(args).map((value) =>
        Array.isArray(value) ? sql.json(value) : value as string | number | null
      );
      const [row] = await sql.unsafe(call, values, { prepare: true });
      return row!.result as T;
    },
  };
}
