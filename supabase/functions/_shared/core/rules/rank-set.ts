/** Ranks, a bit each. */
export class RankSet {
  readonly words: Uint32Array;

  constructor(size: number) {
    this.words = new Uint32Array(Math.ceil(size / 32));
  }

  has(rank: number): boolean {
    return (this.words[rank >>> 5]! & 1 << (rank & 31)) !== 0;
  }

  add(rank: number): void {
    this.words[rank >>> 5]! |= 1 << (rank & 31);
  }

  clear(): void {
    this.words.fill(0);
  }
}
