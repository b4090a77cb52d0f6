import assert from "node:assert/strict";
import { Buffer } from "node:buffer";
import fc from "fast-check";
import {
  base64,
  consistencyProof,
  inclusionProof,
  published,
  publishedRoots,
  sha256,
  someLeaves,
  spoil,
  treeHash,
} from "../../testing/naive-tree.ts";
import { verifyConsistency, verifyInclusion } from "./proof.ts";

const fromHex = (...hashes: string[]) => hashes.map((hash) => base64(Buffer.from(hash, "hex")));

Deno.test("published inclusion proofs verify", async () => {
  const cases: [position: number, size: number, proof: string[]][] = [
    [0, 1, []],
    [
      0,
      8,
      fromHex(
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
      ),
    ],
    [
      5,
      8,
      fromHex(
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
      ),
    ],
    [2, 3, fromHex("fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125")],
    [
      1,
      5,
      fromHex(
        "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
      ),
    ],
  ];
  for (const [position, size, proof] of cases) {
    const root = base64(publishedRoots[size]!);
    assert.ok(await verifyInclusion({ position, size, root, leafHash: base64(published[position]!), proof }));
  }
});

Deno.test("published consistency proofs verify", async () => {
  const cases: [oldSize: number, newSize: number, proof: string[]][] = [
    [1, 1, []],
    [
      1,
      8,
      fromHex(
        "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7",
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4",
      ),
    ],
    [
      6,
      8,
      fromHex(
        "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a",
        "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0",
        "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
      ),
    ],
    [
      2,
      5,
      fromHex(
        "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e",
        "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b",
      ),
    ],
  ];
  for (const [oldSize, newSize, proof] of cases) {
    const [oldRoot, newRoot] = [oldSize, newSize].map((size) => base64(publishedRoots[size]!));
    assert.ok(await verifyConsistency({ oldSize, oldRoot: oldRoot!, newSize, newRoot: newRoot!, proof }));
  }
});

Deno.test("the tree of this test has the published roots", () => {
  publishedRoots.forEach((root, size) => assert.deepEqual(treeHash(published.slice(0, size)), root));
});

Deno.test("every row of every tree of up to 33 rows is proved, and no other row by the same proof", async () => {
  for (let size = 1; size <= 33; size++) {
    const leaves = someLeaves(size);
    for (let position = 0; position < size; position++) {
      const proof = inclusionProof(position, leaves);
      assert.ok(await verifyInclusion(proof), `${position} of ${size}`);
      for (const other of [position - 1, position + 1, position + size]) {
        assert.equal(await verifyInclusion({ ...proof, position: other }), false, `${other} of ${size}`);
      }
    }
  }
});

Deno.test("every two sizes of up to 33 rows are proved consistent, and no other sizes by the same proof", async () => {
  for (let newSize = 0; newSize <= 33; newSize++) {
    const leaves = someLeaves(newSize);
    for (let oldSize = 0; oldSize <= newSize; oldSize++) {
      const proof = consistencyProof(oldSize, leaves);
      assert.ok(await verifyConsistency(proof), `${oldSize} to ${newSize}`);
      if (oldSize === 0) continue;
      for (const wrong of [{ oldSize: oldSize - 1 }, { oldSize: newSize + 1 }]) {
        assert.equal(
          await verifyConsistency({ ...proof, ...wrong }),
          false,
          `${wrong.oldSize} to ${newSize}`,
        );
      }
    }
  }
});

Deno.test("a proof of which one bit is changed proves nothing", async () => {
  await fc.assert(
    fc.asyncProperty(
      fc.integer({ min: 1, max: 200 }),
      fc.nat(),
      fc.nat(),
      fc.nat(255),
      async (size, some, which, bit) => {
        const leaves = someLeaves(size);
        const included = inclusionProof(some % size, leaves);
        const consistent = consistencyProof(1 + some % size, leaves);
        assert.ok(await verifyInclusion(included) && await verifyConsistency(consistent));
        assert.equal(await verifyInclusion(spoil(included, ["root", "leafHash"], which, bit)), false);
        assert.equal(await verifyConsistency(spoil(consistent, ["oldRoot", "newRoot"], which, bit)), false);
      },
    ),
    { numRuns: 300 },
  );
});

Deno.test("a proof that is too short or too long proves nothing", async () => {
  for (let size = 2; size <= 17; size++) {
    const leaves = someLeaves(size);
    for (let some = 1; some < size; some++) {
      const [included, consistent] = [inclusionProof(some, leaves), consistencyProof(some, leaves)];
      const extra = base64(leaves[0]!);
      for (
        const change of [
          (p: string[]) => p.slice(1),
          (p: string[]) => p.slice(0, -1),
          (p: string[]) => [...p, extra],
        ]
      ) {
        assert.equal(await verifyInclusion({ ...included, proof: change(included.proof) }), false);
        assert.equal(await verifyConsistency({ ...consistent, proof: change(consistent.proof) }), false);
      }
    }
  }
});

Deno.test("hashes beyond those of the tree prove nothing, even towards a root that was made with them", async () => {
  const [leaf, more] = someLeaves(2) as [Buffer, Buffer];
  const root = base64(sha256(Buffer.of(1), more, leaf));
  const proof = [base64(more)];
  assert.equal(
    await verifyInclusion({ position: 0, size: 1, root, leafHash: base64(leaf), proof }),
    false,
  );
  for (const oldSize of [0, 5]) {
    assert.equal(await verifyConsistency({ ...consistencyProof(oldSize, someLeaves(5)), proof }), false);
  }
});

Deno.test("a byte that moved from one hash to the next proves nothing, although together they are the same", async () => {
  const leaves = someLeaves(2);
  const both = Buffer.concat(leaves);
  assert.equal(
    await verifyInclusion({
      ...inclusionProof(0, leaves),
      leafHash: base64(both.subarray(0, 31)),
      proof: [base64(both.subarray(31))],
    }),
    false,
  );
});

Deno.test("positions beyond 2^32 are proved too", async () => {
  // A tree of 2^40 + 1 rows: its last row stands alone beside a perfect subtree.
  const [left, leaf] = someLeaves(2) as [Buffer, Buffer];
  const root = base64(sha256(Buffer.of(1), left, leaf));
  const size = 2 ** 40 + 1;
  const proof = [base64(left)];
  assert.ok(await verifyInclusion({ position: 2 ** 40, size, root, leafHash: base64(leaf), proof }));
  assert.equal(
    await verifyInclusion({ position: 2 ** 39, size, root, leafHash: base64(leaf), proof }),
    false,
  );
  assert.ok(
    await verifyConsistency({
      oldSize: 2 ** 40,
      oldRoot: base64(left),
      newSize: size,
      newRoot: root,
      proof: [base64(leaf)],
    }),
  );
});

Deno.test("what is malformed proves nothing, and raises no error", async () => {
  const leaves = someLeaves(5);
  const included = inclusionProof(2, leaves);
  const consistent = consistencyProof(2, leaves);
  const wrong: unknown[] = [
    undefined,
    null,
    "",
    "x",
    -1,
    1.5,
    NaN,
    2 ** 53,
    "2",
    [],
    {},
    included.root.slice(1),
    included.root + "\n",
  ];
  for (const value of wrong) {
    for (const name of Object.keys(included)) {
      assert.equal(await verifyInclusion({ ...included, [name]: value }), false, `${name}: ${value}`);
    }
    for (const name of Object.keys(consistent)) {
      assert.equal(await verifyConsistency({ ...consistent, [name]: value }), false, `${name}: ${value}`);
    }
    assert.equal(await verifyInclusion({ ...included, proof: [value as string, ...included.proof] }), false);
  }
  assert.equal(await verifyConsistency({ ...consistencyProof(0, leaves), oldRoot: included.root }), false);
});
