/**
 * Verifies proofs about a log's Merkle tree (RFC 6962, section 2.1) with the algorithms of RFC 9162, sections 2.1.3.2
 * and 2.1.4.2. Hashes are base64, as the database returns them. Whatever is malformed proves nothing: the answer is
 * false, never an error.
 */
import { type Bytes, concatenate, decodeBase64, encodeBase64, sha256 } from "./bytes.ts";

/** What `audit_inclusion_proof` says of one row. */
export interface InclusionProof {
  /** The row's place among all sealed rows, from 0. */
  position: number;
  /** How many rows the tree has. */
  size: number;
  /** The root of the tree. */
  root: string;
  /** What was hashed of the row: SHA-256(0x00 || 0x01 || leaf text). */
  leafHash: string;
  /** The siblings on the way from the leaf to the root. */
  proof: string[];
}

/** What `audit_consistency_proof` says of two sizes of one log. */
export interface ConsistencyProof {
  oldSize: number;
  oldRoot: string;
  newSize: number;
  newRoot: string;
  proof: string[];
}

/** Whether the row with this leaf hash has this position in the tree with this root. */
export async function verifyInclusion(proof: InclusionProof): Promise<boolean> {
  const { position, size, root, leafHash } = proof;
  const path = readHashes(proof.proof);
  const leaf = readHash(leafHash);
  if (!path || !leaf || !areSizes(position, size) || position >= size) return false;
  const way = new Way(position, size - 1);
  let hash = leaf;
  for (const sibling of path) {
    if (way.isAtRoot()) return false;
    hash = way.isRightChild() ? await hashNode(sibling, hash) : await hashNode(hash, sibling);
    way.climb();
  }
  return way.isAtRoot() && encodeBase64(hash) === root;
}

/** Whether the rows of the old tree are the first rows of the new one, unchanged and in the same order. */
export async function verifyConsistency(proof: ConsistencyProof): Promise<boolean> {
  const { oldSize, oldRoot, newSize, newRoot } = proof;
  const path = readHashes(proof.proof);
  const [oldTree, newTree] = [readHash(oldRoot), readHash(newRoot)];
  if (!path || !oldTree || !newTree || !areSizes(oldSize, newSize) || oldSize > newSize) return false;
  if (oldSize === 0 && oldRoot !== encodeBase64(await sha256(new Uint8Array()))) return false;
  if (oldSize === newSize) return path.length === 0 && oldRoot === newRoot;
  if (oldSize === 0) return path.length === 0;

  const way = new Way(oldSize - 1, newSize - 1);
  while (way.isOddChild()) way.climb();
  // An old tree that is one perfect subtree of the new one is where the way begins, and no part of the proof.
  const start = way.isLeftmost() ? oldTree : path.shift();
  if (!start) return false;
  let [oldHash, newHash] = [start, start];
  for (const sibling of path) {
    if (way.isAtRoot()) return false;
    if (way.isRightChild()) {
      oldHash = await hashNode(sibling, oldHash);
      newHash = await hashNode(sibling, newHash);
    } else {
      newHash = await hashNode(newHash, sibling);
    }
    way.climb();
  }
  return way.isAtRoot() && encodeBase64(oldHash) === oldRoot && encodeBase64(newHash) === newRoot;
}

/**
 * The way from a node to the root: the node's index on its level, and that of the level's last node. Plain arithmetic,
 * because the bit operators cut numbers to 32 bits.
 */
class Way {
  constructor(private index: number, private last: number) {}

  isAtRoot(): boolean {
    return this.last === 0;
  }

  isLeftmost(): boolean {
    return this.index === 0;
  }

  isOddChild(): boolean {
    return this.index % 2 === 1;
  }

  /** Whether the next sibling of the proof stands to the left. */
  isRightChild(): boolean {
    return this.isOddChild() || this.index === this.last;
  }

  /** To the next node that has a sibling; the last node of a level may have none there, and rises as it is. */
  climb(): void {
    while (this.index === this.last && !this.isOddChild() && !this.isLeftmost()) this.halve();
    this.halve();
  }

  private halve(): void {
    this.index = Math.floor(this.index / 2);
    this.last = Math.floor(this.last / 2);
  }
}

function hashNode(left: Bytes, right: Bytes): Promise<Bytes> {
  return sha256(concatenate([1], left, right));
}

function areSizes(...numbers: number[]): boolean {
  return numbers.every((number) => Number.isSafeInteger(number) && number >= 0);
}

function readHash(text: string): Bytes | undefined {
  const bytes = typeof text === "string" ? decodeBase64(text) : undefined;
  return bytes?.length === 32 ? bytes : undefined;
}

function readHashes(texts: string[]): Bytes[] | undefined {
  if (!Array.isArray(texts)) return undefined;
  const hashes = texts.map(readHash).filter((hash) => hash !== undefined);
  return hashes.length === texts.length ? hashes : undefined;
}
