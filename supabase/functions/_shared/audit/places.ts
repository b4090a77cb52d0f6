import type { Place } from "./place.ts";
import { chain } from "./places/chain.ts";
import { store } from "./places/store.ts";
import { witness } from "./places/witness.ts";

/** Every place; another one is a file in `places/`, an entry here and a row in `notification_channels`. */
export const places: readonly Place[] = [store, witness, chain];
