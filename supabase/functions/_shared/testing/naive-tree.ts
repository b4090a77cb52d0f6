/**
 * RFC 6962, section 2.1, word by word and as slow as that: what the product's trees and proofs are held against. Hashes
 * in proofs are base64, as the database returns them.
 */
import { Buffer } from "node:buffer";
import { createHash } from "node:crypto";
import type { ConsistencyProof, InclusionProof } from "../core/audit/proof.ts";

export const sha256 = (...parts: Buffer[]) => createHash("sha256").update(Buffer.concat(parts)).digest();

/** The root of the tree of these leaf hashes. */
export function treeHash(leaves: Buffer[]): Buffer {
  if (leaves.length === 0) return sha256();
  if (leaves.length === 1) return leaves[0]!;
  const half = split(leaves);
  return sha256(Buffer.of(1), treeHash(leaves.slice(0, half)), treeHash(leaves.slice(half)));
}

function inclusionPath(position: number, leaves: Buffer[]): Buffer[] {
  if (leaves.length === 1) return [];
  const half = split(leaves);
  const [left, right] = [leaves.slice(0, half), leaves.slice(half)];
  return position < half
    ? [...inclusionPath(position, left), treeHash(right)]
    : [...inclusionPath(position - half, right), treeHash(left)];
}

function consistencyPath(oldSize: number, leaves: Buffer[], whole = true): Buffer[] {
  if (oldSize === leaves.length) return whole ? [] : [treeHash(leaves)];
  const half = split(leaves);
  const [left, right] = [leaves.slice(0, half), leaves.slice(half)];
  return oldSize <= half
    ? [...consistencyPath(oldSize, left, whole), treeHash(right)]
    : [...consistencyPath(oldSize - half, right, false), treeHash(left)];
}

function split(leaves: Buffer[]): number {
  return 2 ** Math.ceil(Math.log2(leaves.length) - 1);
}

export const base64 = (hash: Buffer) => hash.toString("base64");
const leafHash = (data: Buffer) => sha256(Buffer.of(0), data);
export const someLeaves = (size: number) =>
  Array.from({ length: size }, (_, i) => leafHash(Buffer.from(`leaf ${i}`)));

export function inclusionProof(position: number, leaves: Buffer[]): InclusionProof {
  return {
    position,
    size: leaves.length,
    root: base64(treeHash(leaves)),
    leafHash: base64(leaves[position]!),
    proof: inclusionPath(position, leaves).map(base64),
  };
}

export function consistencyProof(oldSize: number, leaves: Buffer[]): ConsistencyProof {
  return {
    oldSize,
    oldRoot: base64(treeHash(leaves.slice(0, oldSize))),
    newSize: leaves.length,
    newRoot: base64(treeHash(leaves)),
    proof: oldSize === 0 ? [] : consistencyPath(oldSize, leaves).map(base64),
  };
}

/** The leaf hashes that certificate transparency's own implementations are tested with. */
export const published = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
].map((data) => leafHash(Buffer.from(data, "hex")));

/** The root of the first 0, 1, 2 ... of them. */
export const publishedRoots = [
  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
  "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
  "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
  "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
  "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
  "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
  "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
  "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
].map((hex) => Buffer.from(hex, "hex"));

/** The same proof with one bit of one of its hashes turned over. */
export function spoil<Proof extends { proof: string[] }>(
  proof: Proof,
  roots: (keyof Proof)[],
  which: number,
  bit: number,
): Proof {
  const hashes = [...roots.map((name) => proof[name] as string), ...proof.proof];
  const bytes = Buffer.from(hashes[which % hashes.length]!, "base64");
  bytes[bit >> 3]! ^= 1 << (bit & 7);
  hashes[which % hashes.length] = base64(bytes);
  const changed = Object.fromEntries(roots.map((name, i) => [name, hashes[i]]));
  return { ...proof, ...changed, proof: hashes.slice(roots.length) };
}
