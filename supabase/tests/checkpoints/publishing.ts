/** A throw-away stack whose checkpoints go to its Storage, through a proxy that can fail, and to a witness. */
import type { Sql, TransactionSql } from "postgres";
import { listen, readBody } from "../../../scripts/demo/listen.ts";
import type { Stack } from "../../../scripts/stack/stack.ts";
import { testStack } from "../../../scripts/testing/stack.ts";
import type { PublishResult } from "../../functions/_shared/audit/publish-checkpoints.ts";
import { type Checkpoint, openCheckpoint } from "../../functions/_shared/core/audit/checkpoint.ts";
import { readVerifier } from "../../functions/_shared/core/audit/note-key.ts";
import { verifyConsistency } from "../../functions/_shared/core/audit/proof.ts";

/** What the witness is sent. */
export interface Statement {
  table: string;
  size: number;
  root: string;
  checkpoint: string;
  previous_size: number;
  consistency_proof: string[];
}

export interface Publishing {
  stack: Stack;
  /** What the functions printed. */
  log: string[];
  /** Everything that the witness accepted, in order. */
  witnessed: Statement[];
  /** What happens before Storage gets a checkpoint, and before it answers: nothing, unless replaced. */
  storage: { fails: boolean; onStoring: () => Promise<unknown>; onStored: () => Promise<unknown> };
  /**
   * `fails`: it answers nothing useful. `deaf`: it takes what it is sent, and its answer gets lost. `fickle`: each time
   * it has seen one row more than it is told of.
   */
  witness: { fails: boolean; deaf: boolean; fickle: boolean };
  /** Makes an immutable table and seals `rows` rows of it; returns its name. */
  logOf(rows: number): Promise<string>;
  /** Inserts rows and seals them. */
  grow(table: string, rows: number): Promise<void>;
  /** Asks for the checkpoints of these logs to be published, and lets no pause stand in the way. */
  publish(...tables: string[]): Promise<PublishResult>;
  /** The checkpoints in Storage, verified, oldest first. */
  stored(table: string): Promise<Checkpoint[]>;
  /** Puts an object into the bucket, or takes one away when there is no content. */
  tamper(path: string, content: string | null): Promise<void>;
  /** What people were told about a table. */
  told(table: string): Promise<{ kind: string; damage: string | null; place: string }[]>;
  stop(): Promise<void>;
}

/**
 * @param env variables for the functions
 * @param privateHosts further `host:port`s of this machine that functions may reach
 */
export async function startPublishing(
  env: Record<string, string> = {},
  privateHosts: string[] = [],
): Promise<Publishing> {
  const nothing = () => Promise.resolve();
  const storage: Publishing["storage"] = { fails: false, onStoring: nothing, onStored: nothing };
  const witness = { fails: false, deaf: false, fickle: false };
  const witnessed: Statement[] = [];
  const log: string[] = [];
  let target = "";
  const proxy = await listen(async (request, response) => {
    const isStorage = request.url!.startsWith("/storage/");
    if (isStorage && storage.fails) return void response.writeHead(503).end();
    const body = request.method === "GET" ? undefined : await readBody(request);
    const isCheckpoint = /\/storage\/v1\/object\/audit-checkpoints\//.test(request.url!) && body;
    if (isCheckpoint) await storage.onStoring();
    const answer = await fetch(target + request.url, {
      method: request.method,
      headers: request.headers as Record<string, string>,
      body,
    });
    if (isCheckpoint && answer.ok) await storage.onStored();
    response.writeHead(answer.status, { "content-type": answer.headers.get("content-type") ?? "" });
    response.end(await answer.text());
  });
  const witnessServer = await listen(async (request, response) => {
    const statement: Statement = JSON.parse(await readBody(request));
    if (witness.fails) return void response.writeHead(503).end();
    if (witness.fickle) return void response.writeHead(409).end(`${statement.previous_size + 1}`);
    const { status, text } = await examine(statement, witnessed, stack.secrets.auditVerifierKey);
    if (status === 200) witnessed.push(statement);
    if (witness.deaf) return void response.destroy();
    response.writeHead(status).end(text);
  });
  const stack = await testStack({
    SUPABASE_URL: `http://${proxy.host}`,
    AUDIT_WITNESS_URL: `http://${witnessServer.host}/add-checkpoint`,
    EGRESS_PRIVATE_HOSTS: [witnessServer.host, ...privateHosts].join(","),
    ...env,
  }, { log: (line) => void log.push(line) });
  target = stack.url;
  const { sql, secrets } = stack;
  await sql`update notification_channels set enabled = name in ('slack', 'store', 'witness')`;

  const api = async (method: string, path: string, body?: BodyInit, type = "application/json") => {
    const headers = {
      apikey: secrets.secretKey,
      authorization: `Bearer ${secrets.secretKey}`,
      "content-type": type,
    };
    const response = await fetch(`${stack.url}/storage/v1/${path}`, { method, headers, body });
    return await response.text();
  };
  const grow: Publishing["grow"] = async (table, rows) => {
    await sql`insert into ${sql(table)} (deed) select 'deed ' || n from generate_series(1, ${rows}) n`;
    await quietly(sql, (transaction) => transaction`select seal_audit(${table})`);
  };
  return {
    ...{ stack, log, witnessed, storage, witness, grow },
    async logOf(rows) {
      const table = `log_${crypto.randomUUID().slice(0, 8)}`;
      await sql`create table ${sql(table)} (deed text)`;
      await sql`select private.make_immutable(${table})`;
      await grow(table, rows);
      return table;
    },
    async publish(...tables) {
      for (const table of tables) {
        await quietly(sql, (transaction) => transaction`select private.publish(${table})`);
      }
      await sql`update notification_channels set retry_at = null`;
      await sql`update outbox set not_before = now() where kind = 'checkpoint'`;
      const response = await fetch(`${stack.url}/functions/v1/publish-checkpoints`, {
        method: "POST",
        headers: { apikey: secrets.secretKey },
        body: "{}",
      });
      return await response.json();
    },
    async stored(table) {
      const list = JSON.stringify({ prefix: `${table}/`, limit: 1000 });
      const objects: { name: string }[] = JSON.parse(
        await api("POST", "object/list/audit-checkpoints", list),
      );
      const verifier = await readVerifier(secrets.auditVerifierKey);
      return await Promise.all(objects.map(async ({ name }) => {
        const note = await api("GET", `object/audit-checkpoints/${name}`);
        return await openCheckpoint(note, `local/${table}`, [verifier]);
      }));
    },
    async tamper(path, content) {
      await api("DELETE", "object/audit-checkpoints", JSON.stringify({ prefixes: [path] }));
      if (content !== null) await api("POST", `object/audit-checkpoints/${path}`, content, "text/plain");
    },
    told: async (table) =>
      [
        ...await sql`select kind, payload ->> 'kind' as damage, payload ->> 'place' as place from outbox
        where channel = 'slack' and payload ->> 'table_name' = ${table} order by id`,
      ] as never,
    async stop() {
      // What stands before the stack ends first: it would pass requests on to nobody.
      await proxy.stop();
      await stack.stop();
      await witnessServer.stop();
    },
  };
}

/** The function is called by the tests, and not by the database on the way. */
async function quietly(sql: Sql, work: (transaction: TransactionSql) => Promise<unknown>): Promise<void> {
  await sql.begin(async (transaction) => {
    await transaction`select set_config('audit.publishing_is_called', 'yes', true)`;
    await work(transaction);
  });
}

/** As a witness of c2sp.org/tlog-witness does: it takes only what contains what it took before. */
async function examine(
  { table, size, root, checkpoint, previous_size, consistency_proof }: Statement,
  witnessed: Statement[],
  key: string,
): Promise<{ status: number; text: string }> {
  const seen = witnessed.findLast((earlier) => earlier.table === table) ?? { size: 0, root: "" };
  const verifier = await readVerifier(key);
  const opened = await openCheckpoint(checkpoint, `local/${table}`, [verifier]).catch(() => null);
  if (!opened) return { status: 403, text: "not by a key that is known here" };
  if (opened.size !== size || opened.root !== root) return { status: 400, text: "not what was signed" };
  if (previous_size !== seen.size) return { status: 409, text: `${seen.size}\n` };
  if (seen.size === 0) return { status: 200, text: "" };
  const claim = { oldSize: seen.size, oldRoot: seen.root, newSize: size, newRoot: root };
  const grew = await verifyConsistency({ ...claim, proof: consistency_proof });
  return grew ? { status: 200, text: "" } : { status: 422, text: "" };
}

/**
 * Rewrites the whole log as its owner can, traces included: other rows, fresh hashes, blocks sealed anew.
 *
 * @param rows how many rows it has then
 * @param publications whether the record of what was published goes, too
 */
export async function rewrite(
  { stack, grow }: Publishing,
  table: string,
  rows: number,
  { publications }: { publications: boolean },
): Promise<void> {
  await cutTo(stack.sql, table, 0, publications);
  await stack.sql`insert into ${stack.sql(table)} (deed) values ('forged')`;
  await grow(table, rows - 1);
}

/** Brings back the state of an earlier backup: the log and all that is said about it, after its first block. */
export async function restore({ stack }: Publishing, table: string): Promise<void> {
  const [first] = await stack
    .sql`select last_seq from audit_blocks where table_name = ${table} and number = 1`;
  await cutTo(stack.sql, table, first!.last_seq, true);
}

async function cutTo(sql: Sql, table: string, seq: number, publications: boolean): Promise<void> {
  await sql.begin(async (transaction) => {
    const tables = [table, "audit_blocks", "audit_nodes"];
    for (const name of tables) await transaction`alter table ${sql(name)} disable trigger user`;
    await transaction`delete from ${sql(table)} where immutable_seq > ${seq}`;
    await transaction`delete from audit_blocks where table_name = ${table} and last_seq > ${seq}`;
    if (publications) {
      await transaction`delete from audit_publications
        where table_name = ${table} and size > (select count(*) from ${sql(table)})`;
    }
    await transaction`select setval(${`${table}_immutable_seq`}, greatest(${seq}, 1), ${seq > 0})`;
    await transaction`update immutable_tables set sealed_seq = ${seq} where name = ${table}`;
    for (const name of tables) await transaction`alter table ${sql(name)} enable trigger user`;
  });
}
