import assert from "node:assert/strict";
import fc from "fast-check";
import { hashNode, sha256, splitHashes, Tree, treeOf } from "./merkle.ts";
import { inclusionRoot, isConsistent } from "./proofs.ts";

/** The leaves, roots and proofs that Certificate Transparency's implementations are tested with. */
const leaves = [
  "",
  "00",
  "10",
  "2021",
  "3031",
  "40414243",
  "5051525354555657",
  "606162636465666768696a6b6c6d6e6f",
]
  .map((hex) => sha256(Buffer.from(`00${hex}`, "hex")));
const roots = [
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
const node = {
  "1": "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
  "4": "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
  "6": "b08693ec2e721597130641e8211e7eedccb4c26413963eee6c1e2ed16ffb1a5f",
  "23": "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
  "45": "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
  "67": "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
  "0123": "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
  "4567": "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
};
const nodes = (...names: (keyof typeof node)[]) => names.map((name) => Buffer.from(node[name], "hex"));

/** RFC 6962, section 2.1, word by word. */
function rootOf(leaves: Buffer[]): Buffer {
  if (leaves.length === 0) return sha256("");
  if (leaves.length === 1) return leaves[0]!;
  const k = split(leaves.length);
  return hashNode(rootOf(leaves.slice(0, k)), rootOf(leaves.slice(k)));
}

function split(size: number): number {
  return 2 ** (Math.ceil(Math.log2(size)) - 1);
}

function inclusionProof(position: number, leaves: Buffer[]): Buffer[] {
  if (leaves.length === 1) return [];
  const k = split(leaves.length);
  return position < k
    ? [...inclusionProof(position, leaves.slice(0, k)), rootOf(leaves.slice(k))]
    : [...inclusionProof(position - k, leaves.slice(k)), rootOf(leaves.slice(0, k))];
}

function consistencyProof(oldSize: number, leaves: Buffer[], isWhole = true): Buffer[] {
  if (oldSize === leaves.length) return isWhole ? [] : [rootOf(leaves)];
  const k = split(leaves.length);
  return oldSize <= k
    ? [...consistencyProof(oldSize, leaves.slice(0, k), isWhole), rootOf(leaves.slice(k))]
    : [...consistencyProof(oldSize - k, leaves.slice(k), false), rootOf(leaves.slice(0, k))];
}

Deno.test("trees of 0 to 8 leaves have the published roots", () => {
  const tree = new Tree();
  assert.deepEqual(tree.root(), roots[0]);
  for (const [i, leaf] of leaves.entries()) {
    tree.append(leaf);
    assert.deepEqual(tree.root(), roots[i + 1]);
  }
});

Deno.test("published inclusion proofs lead to the published roots", () => {
  const cases: [number, number, Buffer[]][] = [
    [0, 1, []],
    [0, 8, nodes("1", "23", "4567")],
    [5, 8, nodes("4", "67", "0123")],
    [2, 3, [roots[2]!]],
    [1, 5, [leaves[0]!, ...nodes("23", "4")]],
  ];
  for (const [position, size, proof] of cases) {
    assert.deepEqual(inclusionRoot(position, size, leaves[position]!, proof), roots[size]);
  }
});

Deno.test("published consistency proofs hold between the published roots", () => {
  const cases: [number, number, Buffer[]][] = [
    [1, 1, []],
    [1, 8, nodes("1", "23", "4567")],
    [6, 8, nodes("45", "67", "0123")],
    [2, 5, nodes("23", "4")],
    [6, 7, nodes("45", "6", "0123")],
  ];
  for (const [oldSize, size, proof] of cases) {
    assert.ok(isConsistent({ size: oldSize, root: roots[oldSize]! }, { size, root: roots[size]! }, proof));
  }
});

const manyLeaves = Array.from({ length: 70 }, (_, i) => sha256(`leaf ${i}`));
const manyRoots = Array.from({ length: 71 }, (_, size) => rootOf(manyLeaves.slice(0, size)));

Deno.test("a tree that goes on from its frontier has the root of one built at once", () => {
  for (let size = 0; size <= 70; size++) {
    const tree = new Tree();
    for (const leaf of manyLeaves.slice(0, size)) tree.append(leaf);
    const resumed = treeOf(size, splitHashes(Buffer.concat(tree.frontier)))!;
    assert.deepEqual(resumed.root(), manyRoots[size]);
    for (const leaf of manyLeaves.slice(size)) resumed.append(leaf);
    assert.deepEqual(resumed.root(), manyRoots[70]);
    assert.equal(treeOf(size + 1, tree.frontier)?.root().equals(manyRoots[size + 1]!) ?? false, false);
  }
});

Deno.test("every proof of trees up to 70 leaves holds", () => {
  for (let size = 1; size <= 70; size++) {
    const leaves = manyLeaves.slice(0, size);
    for (let other = 0; other < size; other++) {
      assert.deepEqual(
        inclusionRoot(other, size, leaves[other]!, inclusionProof(other, leaves)),
        manyRoots[size],
      );
      const old = { size: other, root: manyRoots[other]! };
      const proof = other === 0 ? [] : consistencyProof(other, leaves);
      assert.ok(isConsistent(old, { size, root: manyRoots[size]! }, proof), `${other} to ${size}`);
    }
  }
});

/** A proof with one hash changed, left out, doubled or added. */
const damaged = (proof: Buffer[], at: number, how: number): Buffer[] => {
  const i = proof.length === 0 ? 0 : at % proof.length;
  if (how === 0 || proof.length === 0) return proof.toSpliced(i, 0, sha256("added"));
  if (how === 1) return proof.toSpliced(i, 1);
  if (how === 2) return proof.toSpliced(i, 1, sha256(proof[i]!));
  return [...proof, proof[i]!];
};
const sizes = fc.tuple(fc.integer({ min: 1, max: 70 }), fc.nat(), fc.nat(), fc.nat({ max: 3 }));

Deno.test("a damaged proof, another position, leaf or size proves no inclusion", () => {
  fc.assert(
    fc.property(sizes, ([size, first, at, how]) => {
      const position = first % size;
      const proof = inclusionProof(position, manyLeaves.slice(0, size));
      const [leaf, root] = [manyLeaves[position]!, manyRoots[size]!];
      const holds = (position: number, size: number, leaf: Buffer, proof: Buffer[]) =>
        inclusionRoot(position, size, leaf, proof)?.equals(root) ?? false;
      assert.ok(holds(position, size, leaf, proof));
      assert.ok(!holds(position, size, leaf, damaged(proof, at, how)));
      assert.ok(!holds(position, size, sha256(leaf), proof));
      assert.ok(!holds(size, size, leaf, proof));
      assert.ok(!holds(-1, size, leaf, proof));
      for (let other = 0; other < size; other++) {
        if (other !== position) assert.ok(!holds(other, size, leaf, proof));
      }
    }),
    { numRuns: 1_000 },
  );
});

Deno.test("a damaged proof or another root proves no consistency", () => {
  fc.assert(
    fc.property(sizes, ([size, first, at, how]) => {
      const oldSize = first % size;
      const proof = oldSize === 0 ? [] : consistencyProof(oldSize, manyLeaves.slice(0, size));
      const [old, now] = [{ size: oldSize, root: manyRoots[oldSize]! }, { size, root: manyRoots[size]! }];
      assert.ok(isConsistent(old, now, proof));
      assert.ok(!isConsistent(old, now, damaged(proof, at, how)));
      assert.ok(!isConsistent({ ...old, root: sha256(old.root) }, now, proof));
      assert.ok(!isConsistent(now, old, proof));
      if (oldSize > 0) assert.ok(!isConsistent(old, { ...now, root: sha256(now.root) }, proof));
      assert.ok(!isConsistent(old, { size: oldSize, root: now.root }, proof));
    }),
    { numRuns: 1_000 },
  );
});
