/** Merkle trees of RFC 6962, section 2.1. Hashes are SHA-256, 32 bytes. */
import { createHash } from "node:crypto";

export function sha256(data: Uint8Array | string): Buffer {
  return createHash("sha256").update(data).digest();
}

const pair = Buffer.alloc(65, 1);

/** The hash of an inner node: SHA-256(0x01 || left || right). */
export function hashNode(left: Buffer, right: Buffer): Buffer {
  left.copy(pair, 1);
  right.copy(pair, 33);
  return sha256(pair);
}

/** The 32-byte hashes that are concatenated in `bytes`. */
export function splitHashes(bytes: Buffer): Buffer[] {
  return Array.from(
    { length: Math.floor(bytes.length / 32) },
    (_, i) => bytes.subarray(32 * i, 32 * (i + 1)),
  );
}

/** A tree that grows by one leaf at a time, and remembers only the roots of its perfect subtrees, largest first. */
export class Tree {
  constructor(public size = 0, readonly frontier: Buffer[] = []) {}

  copy(): Tree {
    return new Tree(this.size, [...this.frontier]);
  }

  /** @param leaf a leaf hash; its memory must stay as it is */
  append(leaf: Buffer): void {
    let node = leaf;
    for (let rest = this.size; rest % 2 === 1; rest = (rest - 1) / 2) {
      node = hashNode(this.frontier.pop()!, node);
    }
    this.frontier.push(node);
    this.size++;
  }

  root(): Buffer {
    if (this.frontier.length === 0) return sha256("");
    return this.frontier.reduceRight((right, left) => hashNode(left, right));
  }
}

/** The tree that a frontier stands for, or nothing when it has not one hash for each bit of `size` that is set. */
export function treeOf(size: number, frontier: Buffer[]): Tree | undefined {
  const subtrees = size.toString(2).replaceAll("0", "").length;
  return frontier.length === subtrees ? new Tree(size, [...frontier]) : undefined;
}
