/** What proofs lead to: RFC 6962, sections 2.1.1 and 2.1.2, followed as RFC 9162, section 2.1.3.2 and 2.1.4.2, says. */
import { hashNode, sha256 } from "./merkle.ts";

const isOdd = (n: number) => n % 2 === 1;
const half = (n: number) => Math.floor(n / 2);

/**
 * The root of the tree of `size` leaves that has `leaf` at `position`, as `proof` says; nothing when the proof has too
 * few or too many hashes, or the position is not in the tree.
 */
export function inclusionRoot(
  position: number,
  size: number,
  leaf: Buffer,
  proof: Buffer[],
): Buffer | undefined {
  if (position < 0 || position >= size) return undefined;
  let [node, last, root] = [position, size - 1, leaf];
  for (const hash of proof) {
    if (last === 0) return undefined;
    if (isOdd(node) || node === last) {
      root = hashNode(hash, root);
      while (!isOdd(node) && node > 0) [node, last] = [half(node), half(last)];
    } else {
      root = hashNode(root, hash);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 ? root : undefined;
}

/** Whether `proof` shows that the tree of `oldSize` leaves is the beginning of the one of `newSize` leaves. */
export function isConsistent(
  old: { size: number; root: Buffer },
  now: { size: number; root: Buffer },
  proof: Buffer[],
): boolean {
  if (old.size < 0 || old.size > now.size) return false;
  if (old.size === now.size) return proof.length === 0 && old.root.equals(now.root);
  if (old.size === 0) return proof.length === 0 && old.root.equals(sha256(""));
  let [node, last] = [old.size - 1, now.size - 1];
  while (isOdd(node)) [node, last] = [half(node), half(last)];
  // A tree whose size is a power of two is a node of the new tree itself, so that the proof does not repeat it.
  const hashes = node === 0 ? [old.root, ...proof] : proof;
  if (hashes.length === 0) return false;
  let [oldRoot, newRoot] = [hashes[0]!, hashes[0]!];
  for (const hash of hashes.slice(1)) {
    if (last === 0) return false;
    if (isOdd(node) || node === last) {
      oldRoot = hashNode(hash, oldRoot);
      newRoot = hashNode(hash, newRoot);
      while (!isOdd(node) && node > 0) [node, last] = [half(node), half(last)];
    } else {
      newRoot = hashNode(newRoot, hash);
    }
    [node, last] = [half(node), half(last)];
  }
  return last === 0 && oldRoot.equals(old.root) && newRoot.equals(now.root);
}
