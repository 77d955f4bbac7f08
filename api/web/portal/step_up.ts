/** Proving again who it is, where something asks for that before it is done (STEP_UP_REQUIRED). */

import { useRef, useState } from "preact/hooks";
import type { Through } from "./action.ts";

export interface Proof {
  /** Whether the person is being asked: `ConfirmIdentity` is shown then. */
  asked: boolean;
  /** Sends it, and once more where a proof was asked for and given. */
  through: Through;
  /** They have proved it, or want to do something else. */
  end(given: boolean): void;
}

export function useProof(): Proof {
  const [asked, setAsked] = useState(false);
  const answer = useRef<((given: boolean) => void) | null>(null);
  const end = (given: boolean) => {
    setAsked(false);
    answer.current?.(given);
    answer.current = null;
  };
  const through: Through = async (send) => {
    for (;;) {
      const payload = await send();
      if (!payload.userErrors.some(({ code }) => code === "STEP_UP_REQUIRED")) return payload;
      end(false);
      setAsked(true);
      const given = await new Promise<boolean>((resolve) => {
        answer.current = resolve;
      });
      if (!given) return undefined;
    }
  };
  return { asked, through, end };
}
