import { z } from "zod";
import { type CheckpointStore, CheckpointStoreError, type Egress, EgressError } from "../ports.ts";
import { checkpointFolder, checkpointName, sizeOfCheckpoint } from "./checkpoint-name.ts";

const BUCKET = "audit-checkpoints";
const TIMEOUT_MS = 10_000;
/** How many names are looked at: the newest is the first, unless somebody put other things there. */
const LIST_LIMIT = 100;

/** An answer of Storage. It says 400 for nearly everything, and what it means in the body. */
interface Answer {
  ok: boolean;
  status: number;
  body: string;
}

/**
 * Checkpoints as objects of a private bucket of Supabase Storage.
 *
 * @param egress may reach the project
 */
export function storageCheckpointStore(
  project: { url: string; secretKey: string },
  egress: Egress,
): CheckpointStore {
  const headers = { apikey: project.secretKey, authorization: `Bearer ${project.secretKey}` };

  async function call(
    method: string,
    path: string,
    content?: { type: string; body: string },
  ): Promise<Answer> {
    try {
      const { status, body } = await egress.send({
        url: `${project.url}/storage/v1/${path}`,
        method,
        headers: { ...headers, ...(content && { "content-type": content.type }) },
        body: content?.body,
        timeoutMs: TIMEOUT_MS,
      });
      const ok = status >= 200 && status < 300;
      return { ok, status: ok ? status : Number(fieldOf(body, "statusCode") ?? status), body };
    } catch (error) {
      if (!(error instanceof EgressError)) throw error;
      throw new CheckpointStoreError(
        "checkpoint_store.unreachable",
        `Storage gave no answer (${error.code}): ${error.message}`,
      );
    }
  }
  const post = (path: string, value: unknown) =>
    call("POST", path, { type: "application/json", body: JSON.stringify(value) });

  async function createBucket(): Promise<void> {
    const answer = await post("bucket", { id: BUCKET, name: BUCKET, public: false });
    if (!answer.ok && answer.status !== 409) throw refused("create the bucket", answer);
  }
  async function read(path: string): Promise<string> {
    const answer = await call("GET", `object/${BUCKET}/${path}`);
    if (!answer.ok) throw refused("read a checkpoint", answer);
    return answer.body;
  }

  return {
    async latest(table) {
      const folder = checkpointFolder(table);
      const answer = await post(`object/list/${BUCKET}`, {
        prefix: `${folder}/`,
        limit: LIST_LIMIT,
        offset: 0,
        sortBy: { column: "name", order: "desc" },
      });
      if (lacksBucket(answer)) return null;
      const names = answer.ok && namesIn(answer.body, folder);
      if (!names) throw refused("list the checkpoints", answer);
      const sizes = names.map(sizeOfCheckpoint).filter((size) => size !== null);
      const size = Math.max(...sizes);
      if (names.length === LIST_LIMIT && sizes[0] !== size) {
        throw new CheckpointStoreError(
          "checkpoint_store.unreadable",
          `The newest checkpoint in ${BUCKET}/${folder} is not among the ${LIST_LIMIT} objects that are listed first. ` +
            "Move everything else away.",
        );
      }
      if (sizes.length === 0) return null;
      return { size, note: await read(`${folder}/${checkpointName(size)}`) };
    },
    async put(table, size, note) {
      const path = `${checkpointFolder(table)}/${checkpointName(size)}`;
      const upload = () => call("POST", `object/${BUCKET}/${path}`, { type: "text/plain", body: note });
      let answer = await upload();
      if (lacksBucket(answer)) {
        await createBucket();
        answer = await upload();
      }
      if (!answer.ok && answer.status !== 409) throw refused("store a checkpoint", answer);
      return await read(path);
    },
  };
}

/** Any other 404 is not Storage's: nobody knows then what is stored. */
function lacksBucket({ status, body }: Answer): boolean {
  return status === 404 && fieldOf(body, "message") === "Bucket not found";
}

/** The hosted Storage lists names within the folder, others list whole paths. Nothing for what is no list. */
function namesIn(body: string, folder: string): string[] | undefined {
  try {
    const entries = z.array(z.object({ name: z.string() })).parse(JSON.parse(body));
    return entries.map(({ name }) => name.startsWith(`${folder}/`) ? name.slice(folder.length + 1) : name);
  } catch {
    return undefined;
  }
}

function refused(what: string, { status, body }: Answer): CheckpointStoreError {
  const reason = fieldOf(body, "message")?.slice(0, 200) ?? "no reason given";
  const code = status >= 500 || status === 429 ? "unreachable" : "refused";
  return new CheckpointStoreError(
    `checkpoint_store.${code}`,
    `Storage did not ${what} (${status}): ${reason}`,
  );
}

function fieldOf(body: string, name: string): string | undefined {
  try {
    const value = JSON.parse(body)[name];
    return value === undefined ? undefined : String(value);
  } catch {
    return undefined;
  }
}
