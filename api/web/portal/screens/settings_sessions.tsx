/** Where the person is signed in, and ending it. */

import { useAction } from "../action.ts";
import { graphql, type ResultOf } from "../graphql.ts";
import { t } from "../i18n.ts";
import { useQuery } from "../query.ts";
import { Button, Pill, Refused, Skeleton, Trouble, When } from "../ui.tsx";

const SESSIONS = graphql(`
  query Sessions { sessions { id lastSeenAt address userAgent current } }
`);

const END = graphql(`
  mutation EndSession($input: EndSessionInput!) {
    endSession(input: $input) { userErrors { code message field } }
  }
`);

type Session = ResultOf<typeof SESSIONS>["sessions"][number];

export function SessionsSection() {
  const { data, problem, again } = useQuery(SESSIONS, {});
  return (
    <section class="card" aria-labelledby="settings-sessions">
      <h2 id="settings-sessions">{t("sessions")}</h2>
      <p class="lead">{t("sessions.what")}</p>
      {problem && !data && <Trouble problem={problem} again={again} />}
      {!data && !problem && <Skeleton lines={3} />}
      <ul class="people">
        {data?.sessions.map((one) => <Row key={one.id} session={one} again={again} />)}
      </ul>
    </section>
  );
}

function Row({ session, again }: { session: Session; again: () => void }) {
  const { busy, errors, problem, run } = useAction(END, { keyed: false });
  const name = deviceOf(session.userAgent);
  const end = async () => {
    if (await run({ sessionId: session.id })) again();
  };
  return (
    <li>
      <div>
        <strong>{name}</strong>
        <small>
          {session.address} · <When at={session.lastSeenAt} />
        </small>
        <Refused errors={errors} problem={problem} />
      </div>
      {session.current
        ? <Pill tone="good">{t("sessions.current")}</Pill>
        : <Button kind="quiet" busy={busy} onClick={end}>{t("sessions.end")}</Button>}
    </li>
  );
}

const BROWSERS = [
  ["Edg/", "Edge"],
  ["OPR/", "Opera"],
  ["Firefox/", "Firefox"],
  ["Chrome/", "Chrome"],
  ["Safari/", "Safari"],
] as const;
const SYSTEMS = [
  ["Android", "Android"],
  ["iPhone", "iPhone"],
  ["iPad", "iPad"],
  ["Windows", "Windows"],
  ["Mac OS X", "macOS"],
  ["Linux", "Linux"],
] as const;

/** A browser by its name and its system; others as they call themselves. */
function deviceOf(userAgent: string): string {
  const of = (all: readonly (readonly [string, string])[]) =>
    all.find(([mark]) => userAgent.includes(mark))?.[1];
  const found = [of(BROWSERS), of(SYSTEMS)].filter(Boolean).join(" · ");
  return found || userAgent.slice(0, 60) || t("sessions.unknown");
}
