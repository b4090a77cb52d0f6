import { z } from "zod";
import { compose, type Wording } from "../message.ts";

const text = z.string().nullish();
const count = z.number().int().nonnegative().nullish();

const damage = z.object({
  table_name: z.string(),
  kind: z.string(),
  first_seq: count,
  last_seq: count,
  rows: count,
  place: text,
  detail: text,
});
const damageOver = damage.partial({ kind: true });

/** What was found in an immutable table, or in the checkpoints of it. */
const DAMAGE: Record<string, string> = {
  edited: "Rows were edited",
  deleted: "Rows were deleted",
  inserted_later: "Rows were inserted among sealed ones",
  reordered: "Rows changed their places",
  tail_cut: "The newest rows are missing",
  rewritten: "The log was rewritten",
  unguarded: "The triggers that keep rows from being changed are off",
  unverified: "The table could not be verified",
  checkpoint_lost: "Published checkpoints are gone",
  checkpoint_unreadable: "The newest published checkpoint cannot be trusted",
};

/** What people are told of the audit log. */
export const auditMessages: Record<string, Wording> = {
  damage(payload, dashboardUrl) {
    const facts = damage.parse(payload);
    return compose("🛑 Audit Log Damaged", [
      [["Table", facts.table_name], ["Damage", DAMAGE[facts.kind] ?? facts.kind], ["Place", facts.place]],
      [["Numbers", numbers(facts)], ["Rows", facts.rows?.toString()], ["Detail", facts.detail]],
      [["Action Required", "Keep database and checkpoints as they are, and find out who changed what"], [
        "Dashboard",
        dashboardUrl,
      ]],
    ]);
  },
  damage_over(payload) {
    const facts = damageOver.parse(payload);
    return compose("✅ Audit Log Sound Again", [
      [["Table", facts.table_name], ["Damage", facts.kind && (DAMAGE[facts.kind] ?? facts.kind)], [
        "Place",
        facts.place,
      ]],
      [["Numbers", numbers(facts)], ["Detail", facts.detail]],
    ]);
  },
};

/** `5` or `5 to 9`. */
function numbers({ first_seq, last_seq }: { first_seq?: number | null; last_seq?: number | null }) {
  if (first_seq == null) return null;
  return last_seq == null || last_seq === first_seq ? `${first_seq}` : `${first_seq} to ${last_seq}`;
}
