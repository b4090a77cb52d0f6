/**
 * Conditions as alternatives of tests, the form in which rules are indexed.
 *
 * A rule matches on true only, and no group negates what it holds (`not_x` is an operator of its own). So unknown may
 * be taken as false everywhere: Kleene's `and` is true exactly when all its parts are true, his `or` exactly when one
 * is, whatever the others are; by induction it matters only which leaves are true. Two values are left of three.
 */
import { compileLeaf, type LeafTest } from "./compile-leaf.ts";
import { type Condition, type Leaf, type MatchableRule, RuleError } from "./rule.ts";
import { validateCondition } from "./validate-condition.ts";

/** A condition is true exactly when all tests of one of its alternatives are. */
export type Alternatives = readonly (readonly Test[])[];

export type Test = LeafTest | GroupTest;

/** Alternatives that are tested as a whole, where multiplying them out would give too many. */
export interface GroupTest {
  readonly alternatives: Alternatives;
  readonly cost: number;
}

/** More of them cost more to look up than they save. */
const MOST_ALTERNATIVES = 8;
const GROUP_COST = 3;

/** The conditions of one rule set. Equal ones are compiled once, and so are equal leaves. */
export class CompiledConditions {
  private readonly conditions = new Map<string, Alternatives>();
  private readonly leaves = new Map<string, LeafTest>();

  /**
   * @param former what it has compiled is taken over; it is not kept
   * @throws RuleError `rule.invalid`
   */
  compile({ id, condition }: MatchableRule, former?: CompiledConditions): Alternatives {
    const text = textOf(condition);
    let alternatives = this.conditions.get(text);
    if (alternatives) return alternatives;
    alternatives = former?.conditions.get(text);
    if (alternatives) this.#keepLeaves(alternatives);
    else {
      requireValid(id, condition);
      alternatives = alternativesOf(condition, (leaf) => {
        const test = compileLeaf(leaf, (id) => this.leaves.get(id) ?? former?.leaves.get(id));
        this.leaves.set(test.id, test);
        return test;
      });
    }
    this.conditions.set(text, alternatives);
    return alternatives;
  }

  #keepLeaves(alternatives: Alternatives): void {
    for (const tests of alternatives) {
      for (const test of tests) {
        if ("alternatives" in test) this.#keepLeaves(test.alternatives);
        else this.leaves.set(test.id, test);
      }
    }
  }
}

/** Conditions with one text are equal. What has no text is invalid. */
function textOf(condition: unknown): string {
  try {
    return JSON.stringify(condition) ?? "";
  } catch {
    return "";
  }
}

function requireValid(id: string, condition: unknown): void {
  const { errors } = validateCondition(condition);
  if (errors.length === 0) return;
  throw new RuleError(
    "rule.invalid",
    `The condition of rule ${id} is invalid: ${errors.join("; ")}.`,
    errors,
  );
}

function alternativesOf(condition: Condition, toTest: (leaf: Leaf) => LeafTest): Alternatives {
  if (!("conditions" in condition)) return [[toTest(condition)]];
  const parts = condition.conditions.map((part) => alternativesOf(part, toTest));
  return condition.logic === "or" ? parts.flat() : allOf(parts);
}

/** Multiplies out what gives few alternatives; the rest is tested as groups. */
function allOf(parts: Alternatives[]): Alternatives {
  if (parts.length === 1) return parts[0]!;
  let product: Alternatives = [[]];
  for (const part of parts.toSorted((a, b) => a.length - b.length)) {
    const isFew = product.length * part.length <= MOST_ALTERNATIVES;
    const factors: Alternatives = isFew ? part : [[{ alternatives: part, cost: GROUP_COST }]];
    product = product.flatMap((tests) => factors.map((more) => [...new Set([...tests, ...more])]));
  }
  return product.map((tests) => tests.toSorted((a, b) => a.cost - b.cost));
}
