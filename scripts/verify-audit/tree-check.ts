/** Follows the tree of a log, and compares it with the checkpoints on the way. */
import type { Checkpoint } from "./checkpoints.ts";
import type { DamageList } from "./damage.ts";
import { Tree, treeOf } from "./merkle.ts";

export class TreeCheck {
  #tree: Tree;
  /** Ascending by size; those from the index `#next` on are still to be compared. */
  #checkpoints: Checkpoint[];
  #next = 0;
  #newest: Checkpoint | undefined;
  #different: Checkpoint | undefined;
  #agreeing = 0;

  constructor(checkpoints: Checkpoint[] = [], tree = new Tree()) {
    this.#checkpoints = checkpoints.toSorted((a, b) => a.size - b.size);
    this.#tree = tree;
    this.#compare();
  }

  /** A copy to go on with, whose leaves this one does not get. */
  fork(): TreeCheck {
    const fork = new TreeCheck([], this.#tree.copy());
    fork.#checkpoints = this.#checkpoints;
    fork.#next = this.#next;
    fork.#newest = this.#newest;
    fork.#different = this.#different;
    fork.#agreeing = this.#agreeing;
    return fork;
  }

  /** @param leaves concatenated leaf hashes, whose memory must stay as it is */
  append(leaves: Buffer): void {
    for (let i = 0; i < leaves.length; i += 32) {
      this.#tree.append(leaves.subarray(i, i + 32));
      if (this.#tree.size === this.#checkpoints[this.#next]?.size) this.#compare();
    }
  }

  /** Goes on from a frontier that has this root; returns whether it has. Checkpoints of sizes between are passed over. */
  resume(size: number, root: Buffer, frontier: Buffer[]): boolean {
    const tree = treeOf(size, frontier);
    if (!tree?.root().equals(root)) return false;
    this.#tree = tree;
    while (this.#checkpoints[this.#next] && this.#checkpoints[this.#next]!.size < size) this.#next++;
    this.#compare();
    return true;
  }

  get size(): number {
    return this.#tree.size;
  }

  get root(): Buffer {
    return this.#tree.root();
  }

  hasFrontier(frontier: Buffer[]): boolean {
    return Buffer.concat(frontier).equals(Buffer.concat(this.#tree.frontier));
  }

  /** Adds what the checkpoints say to the damage. */
  finish(damage: DamageList): { agreeing: number; newestSize: number } {
    if (this.#different) {
      const { size, source } = this.#different;
      const first = Math.min(this.#newest?.size ?? 0, size);
      const detail = `their root is not that of the checkpoint ${source}`;
      damage.add({ kind: "rewritten", unit: "position", first, last: size - 1, rows: size - first, detail });
    }
    const beyond = this.#checkpoints.at(-1);
    if (beyond && beyond.size > this.size) {
      const rows = beyond.size - this.size;
      const detail = `the checkpoint ${beyond.source} has them`;
      damage.add({
        kind: "tail_cut",
        unit: "position",
        first: this.size,
        last: beyond.size - 1,
        rows,
        detail,
      });
    }
    return { agreeing: this.#agreeing, newestSize: this.#newest?.size ?? 0 };
  }

  #compare(): void {
    for (; this.#checkpoints[this.#next]?.size === this.#tree.size; this.#next++) {
      const checkpoint = this.#checkpoints[this.#next]!;
      if (checkpoint.root.equals(this.#tree.root())) {
        this.#agreeing++;
        this.#newest = checkpoint;
      } else {
        this.#different ??= checkpoint;
      }
    }
  }
}
