/** Throw-away databases that commit as durably as a hosted one: `fsync` stays on. */
import postgres, { type Sql } from "postgres";
import type { Database } from "../../supabase/functions/_shared/ports.ts";
import { testDatabase } from "../testing/stack.ts";

/** A running database with all migrations. */
export interface BenchDatabase {
  /** Of role `postgres`, which owns everything. */
  url: string;
  /** Ten connections as that role. */
  sql: Sql;
  stop(): Promise<void>;
}

/** Starts a database of its own; statistics are fresh, and no timer runs. */
export async function benchDatabase(settings: Record<string, string> = {}): Promise<BenchDatabase> {
  const { url, stop } = await testDatabase(true, settings);
  const sql = postgres(url, { max: 10, onnotice: () => {} });
  return {
    url,
    sql,
    async stop() {
      await sql.end({ timeout: 1 });
      await stop();
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
