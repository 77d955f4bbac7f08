/** What the person may do in the account that they are in: the server decides, the portal offers. */

import { session } from "./session.ts";
import { useStore } from "./store.ts";

export type MemberRole = "OWNER" | "BILLING" | "VIEWER";

export const ROLES: MemberRole[] = ["OWNER", "BILLING", "VIEWER"];

/** Whether they may at least do what `least` may. */
export function useMay(least: MemberRole): boolean {
  const now = useStore(session);
  const role = now.state === "client" ? now.viewer.memberRole ?? "VIEWER" : "VIEWER";
  return ROLES.indexOf(role) <= ROLES.indexOf(least);
}
