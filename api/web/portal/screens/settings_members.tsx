/** The people who use the account; for its owners. */

import { useState } from "preact/hooks";
import { useAction } from "../action.ts";
import { graphql, type ResultOf } from "../graphql.ts";
import { t } from "../i18n.ts";
import { useQuery } from "../query.ts";
import { type MemberRole, ROLES, useMay } from "../rights.ts";
import { useProof } from "../step_up.ts";
import {
  Button,
  Field,
  Notice,
  Pill,
  Refused,
  Skeleton,
  Trouble,
  useFocusOnError,
} from "../ui.tsx";
import { ConfirmIdentity } from "./confirm_identity.tsx";

const MEMBERS = graphql(`
  query Members { viewer { email account { id members { id email name role invited } } } }
`);

const INVITE = graphql(`
  mutation InviteMember($input: InviteMemberInput!) {
    inviteMember(input: $input) { member { id email } userErrors { code message field } }
  }
`);

const CHANGE = graphql(`
  mutation ChangeMember($input: ChangeMemberInput!) {
    changeMember(input: $input) { member { id role } userErrors { code message field } }
  }
`);

const REMOVE = graphql(`
  mutation RemoveMember($input: RemoveMemberInput!) {
    removeMember(input: $input) { userErrors { code message field } }
  }
`);

type Viewer = NonNullable<ResultOf<typeof MEMBERS>["viewer"]>;
type Member = NonNullable<Viewer["account"]>["members"][number];

export function MembersSection() {
  const may = useMay("OWNER");
  const { data, problem, again } = useQuery(MEMBERS, may ? {} : null);
  if (!may) return null;
  const members = data?.viewer?.account?.members;
  return (
    <section class="card" aria-labelledby="settings-members">
      <h2 id="settings-members">{t("members")}</h2>
      <p class="lead">{t("members.what")}</p>
      {problem && !members && <Trouble problem={problem} again={again} />}
      {!members && !problem && <Skeleton lines={3} />}
      <ul class="people">
        {members?.map((one) => <Row key={one.id} member={one} again={again} />)}
      </ul>
      <Invite again={again} />
    </section>
  );
}

function Row({ member, again }: { member: Member; again: () => void }) {
  const [asked, setAsked] = useState(false);
  const proof = useProof();
  const change = useAction(CHANGE, { keyed: false, through: proof.through });
  const remove = useAction(REMOVE, { keyed: false, through: proof.through });
  const put = async (role: MemberRole) => {
    await change.run({ memberId: member.id, role });
    again();
  };
  const end = async () => {
    const done = await remove.run({ memberId: member.id });
    setAsked(false);
    if (done) again();
  };
  return (
    <li>
      <div>
        <strong>{member.name || member.email}</strong>
        {member.name && member.name !== member.email && <small>{member.email}</small>}
        {member.invited && <Pill tone="info">{t("members.invited")}</Pill>}
        <Refused errors={change.errors} problem={change.problem} />
        <Refused errors={remove.errors} problem={remove.problem} />
      </div>
      <select
        aria-label={t("members.role.of", { email: member.email })}
        value={member.role}
        onChange={(event) => put(event.currentTarget.value as MemberRole)}
      >
        {ROLES.map((role) => <option key={role} value={role}>{t(`role.${role}`)}</option>)}
      </select>
      <Button
        kind={asked ? "danger" : "quiet"}
        busy={remove.busy && !proof.asked}
        onClick={asked ? end : () => setAsked(true)}
      >
        {t(asked ? "members.remove.sure" : "members.remove")}
        <span class="unseen">{member.email}</span>
      </Button>
      {proof.asked && <ConfirmIdentity proof={proof} />}
    </li>
  );
}

function Invite({ again }: { again: () => void }) {
  const [email, setEmail] = useState("");
  const [role, setRole] = useState<MemberRole>("VIEWER");
  const [sent, setSent] = useState("");
  const proof = useProof();
  const { busy, errors, problem, run } = useAction(INVITE, { through: proof.through });
  const form = useFocusOnError(errors);
  const submit = async (event: Event) => {
    event.preventDefault();
    if (busy) return;
    setSent("");
    const done = await run({ email, role });
    if (!done?.member) return;
    setSent(done.member.email);
    setEmail("");
    again();
  };
  if (proof.asked) return <ConfirmIdentity proof={proof} />;
  return (
    <form ref={form} onSubmit={submit} novalidate>
      <h3>{t("members.invite")}</h3>
      <Field id="invite-email" label={t("session.email")} error={errors.email}>
        {(props) => (
          <input
            {...props}
            type="email"
            autocomplete="off"
            value={email}
            onInput={(event) => setEmail(event.currentTarget.value)}
          />
        )}
      </Field>
      <Field id="invite-role" label={t("members.role")} hint={t(`role.${role}.what`)}>
        {(props) => (
          <select
            {...props}
            value={role}
            onChange={(event) => setRole(event.currentTarget.value as MemberRole)}
          >
            {ROLES.map((one) => <option key={one} value={one}>{t(`role.${one}`)}</option>)}
          </select>
        )}
      </Field>
      <Refused errors={errors} problem={problem} fields={["email"]} />
      {sent && <Notice tone="good" title={t("members.sent", { email: sent })} alert />}
      <Button kind="primary" type="submit" icon="plus" busy={busy}>{t("members.send")}</Button>
    </form>
  );
}
