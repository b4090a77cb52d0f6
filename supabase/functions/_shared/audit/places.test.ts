import assert from "node:assert/strict";
import type { PublishDeps } from "./place.ts";
import { places } from "./places.ts";

/** What an environment without any of the places' variables makes. */
const nothing = { keys: { signer: null, verifiers: [] }, witnessUrl: null, anchor: null } as Partial<
  PublishDeps
> as PublishDeps;

Deno.test("every place has a name of its own, in the order in which they publish", () => {
  // The others take what the store holds.
  assert.deepEqual(places.map(({ name }) => name), ["store", "witness", "chain"]);
});

Deno.test("every place says which variables it lacks", () => {
  for (const place of places) {
    const missing = place.missing(nothing);
    assert.ok(missing.includes("AUDIT_SIGNING_KEY"), place.name);
    for (const variable of missing) assert.match(variable, /^(AUDIT|ANCHOR)_[A-Z_]+$/);
  }
});
