/**
 * What is known of a condition: that it is true, that it is false, or neither. `undefined` is unknown: a field is missing
 * or has the wrong type. Tables after Kleene's strong logic.
 */
export type Truth = boolean | undefined;

/** Unknown stays unknown. */
export function not(truth: Truth): Truth {
  return truth === undefined ? undefined : !truth;
}

/** False as soon as one is false; otherwise unknown as soon as one is unknown. */
export function and(truths: Iterable<Truth>): Truth {
  let result: Truth = true;
  for (const truth of truths) {
    if (truth === false) return false;
    if (truth === undefined) result = undefined;
  }
  return result;
}

/** True as soon as one is true; otherwise unknown as soon as one is unknown. */
export function or(truths: Iterable<Truth>): Truth {
  let result: Truth = false;
  for (const truth of truths) {
    if (truth === true) return true;
    if (truth === undefined) result = undefined;
  }
  return result;
}
