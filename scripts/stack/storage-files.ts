/** Where the local Storage API keeps the bytes of its objects: files in one folder. Their index is in the database. */
import { createHash } from "node:crypto";
import { join } from "node:path";
import type { App } from "@supabase/lite";

type StorageAdapter = NonNullable<App["_storageAdapter"]>;
type Metadata = Awaited<ReturnType<StorageAdapter["headObject"]>>;

/**
 * Keeps each object in two files, content and metadata, under the hash of bucket and key: a key may be longer than a
 * file's name, and is another's path.
 *
 * @param folder is created when it is missing
 */
export function storageFiles(folder: string): StorageAdapter {
  const pathOf = (bucket: string, key: string) =>
    join(folder, createHash("sha256").update(`${bucket}/${key}`).digest("hex"));
  const headObject: StorageAdapter["headObject"] = async (bucket, key) =>
    JSON.parse(await Deno.readTextFile(`${pathOf(bucket, key)}.json`)) as Metadata;

  async function write(path: string, content: Uint8Array, about: { mimetype: string; cacheControl: string }) {
    const metadata = {
      ...about,
      contentLength: content.length,
      size: content.length,
      eTag: `"${createHash("sha256").update(content).digest("hex")}"`,
      httpStatusCode: 200,
    } as Metadata;
    await Deno.mkdir(folder, { recursive: true, mode: 0o700 });
    await Deno.writeFile(path, content);
    await Deno.writeTextFile(`${path}.json`, JSON.stringify(metadata));
    return metadata;
  }
  async function remove(bucket: string, key: string) {
    for (const path of [pathOf(bucket, key), `${pathOf(bucket, key)}.json`]) {
      await Deno.remove(path).catch((error) => {
        if (!(error instanceof Deno.errors.NotFound)) throw error;
      });
    }
  }

  return {
    driver: folder,
    headObject,
    async uploadObject(bucket, key, _version, body, mimetype, cacheControl) {
      const content = new Uint8Array(await new Response(body as BodyInit).arrayBuffer());
      return await write(pathOf(bucket, key), content, { mimetype, cacheControl });
    },
    async getObject(bucket, key, version) {
      const body = new Blob([await Deno.readFile(pathOf(bucket, key))]);
      return { metadata: await headObject(bucket, key, version), httpStatusCode: 200, body };
    },
    async copyObject(bucket, key, version, toBucket, toKey) {
      const { mimetype, cacheControl } = await headObject(bucket, key, version);
      const content = await Deno.readFile(pathOf(bucket, key));
      return await write(pathOf(toBucket, toKey), content, { mimetype, cacheControl });
    },
    deleteObject: remove,
    async deleteObjects(bucket, keys) {
      await Promise.all(keys.map((key) => remove(bucket, key)));
    },
    // deno-lint-ignore require-await
    privateAssetUrl: async (bucket, key) => `file://${pathOf(bucket, key)}`,
  };
}
