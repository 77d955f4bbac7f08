/** The second step of signing in: a code, a passkey, or a recovery code. */

import { useState } from "preact/hooks";
import { useAction } from "../action.ts";
import { graphql } from "../graphql.ts";
import { t } from "../i18n.ts";
import { answerWithPasskey, supported } from "../passkeys.ts";
import { Brand, Preferences } from "../layout.tsx";
import { Heading } from "../router.tsx";
import { open } from "../session.ts";
import { store } from "../store.ts";
import { Button, Field, Notice, Refused, useFocusOnError } from "../ui.tsx";

const COMPLETE = graphql(`
  mutation CompleteSignIn($input: CompleteSignInInput!) {
    completeSignIn(input: $input) { viewer { role } userErrors { code message field } }
  }
`);

export interface Challenge {
  token: string;
  methods: readonly Way[];
  passkeyOptions: string | null;
}
const WAYS = ["TOTP", "PASSKEY", "RECOVERY_CODE"] as const;
type Way = typeof WAYS[number];

/** What somebody is asked who has proved the first step; null where nobody is. */
export const challenge = store(inFragment());

/** After an identity provider's sign-in the server says it in the fragment of the address, which is
 * in no address from then on.
 */
function inFragment(): Challenge | null {
  const said = new URLSearchParams(location.hash.slice(1));
  const token = said.get("token");
  const methods = said.get("methods")?.split(",") ?? [];
  if (!token) return null;
  history.replaceState(null, "", location.pathname + location.search);
  return {
    token,
    methods: WAYS.filter((one) => methods.includes(one)),
    passkeyOptions: said.get("passkey"),
  };
}

export function SecondStep({ challenge }: { challenge: Challenge }) {
  return (
    <main class="door">
      <div class="panel">
        <Brand />
        <Question challenge={challenge} />
        <Preferences />
      </div>
    </main>
  );
}

const startAgain = () => challenge.set(null);

function Question({ challenge }: { challenge: Challenge }) {
  const ways = challenge.methods.filter((one) => one !== "PASSKEY" || supported());
  const [way, setWay] = useState(ways[0] ?? "RECOVERY_CODE");
  const [typed, setTyped] = useState("");
  const [declined, setDeclined] = useState(false);
  const { busy, errors, problem, run } = useAction(COMPLETE, { keyed: false });
  const form = useFocusOnError(errors);
  const give = async (answer: { code?: string; passkey?: string; recoveryCode?: string }) => {
    if (!await run({ challenge: challenge.token, ...answer })) return;
    await open();
    startAgain();
  };
  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    if (way === "TOTP") return await give({ code: typed });
    if (way === "RECOVERY_CODE") return await give({ recoveryCode: typed });
    const passkey = await answerWithPasskey(challenge.passkeyOptions ?? "{}");
    setDeclined(!passkey);
    if (passkey) await give({ passkey });
  };
  const field = way === "TOTP" ? "code" : "recoveryCode";
  return (
    <>
      <Heading title={t("factors.step")}>{t("factors.step")}</Heading>
      <form ref={form} onSubmit={submit} novalidate>
        {way === "PASSKEY"
          ? <p class="lead">{t("factors.step.PASSKEY")}</p>
          : (
            <Field key={way} id="second" label={t(`factors.step.${way}`)} error={errors[field]}>
              {(props) => (
                <input
                  {...props}
                  class="code"
                  autocomplete={way === "TOTP" ? "one-time-code" : "off"}
                  inputmode={way === "TOTP" ? "numeric" : "text"}
                  autocapitalize="characters"
                  spellcheck={false}
                  value={typed}
                  onInput={(event) => setTyped(event.currentTarget.value)}
                />
              )}
            </Field>
          )}
        {declined && <Notice tone="warn" title={t("factors.declined")} alert />}
        <Refused errors={errors} problem={problem} fields={way === "PASSKEY" ? [] : [field]} />
        <Button kind="primary" type="submit" busy={busy}>
          {way === "PASSKEY" ? t("factors.use-passkey") : t("session.sign-in")}
        </Button>
      </form>
      <div class="ways">
        {ways.filter((one) => one !== way).map((one) => (
          <Button
            key={one}
            kind="quiet"
            onClick={() => {
              setWay(one);
              setTyped("");
              setDeclined(false);
            }}
          >
            {t(`factors.instead.${one}`)}
          </Button>
        ))}
        <Button kind="quiet" icon="back" onClick={startAgain}>{t("factors.start-again")}</Button>
      </div>
    </>
  );
}
