/** Users of a throw-away stack. */
import { createClient } from "@supabase/supabase-js";
import type { Role } from "../../supabase/functions/_shared/ports.ts";
import type { Stack } from "../stack/stack.ts";

/** A user who signed up, and what he sends to be recognised. */
export interface SignedIn {
  id: string;
  headers: Record<string, string>;
}

/** Signs a user up, with a role or none. */
export async function signIn(stack: Stack, role?: Role): Promise<SignedIn> {
  const client = createClient(stack.url, stack.secrets.publishableKey, {
    auth: { persistSession: false, autoRefreshToken: false },
  });
  const email = `${crypto.randomUUID()}@example.com`;
  const { data, error } = await client.auth.signUp({ email, password: crypto.randomUUID() });
  if (error) throw error;
  const id = data.user!.id;
  if (role) await stack.sql`insert into operators (user_id, role) values (${id}, ${role})`;
  return { id, headers: { authorization: `Bearer ${data.session!.access_token}` } };
}
