"""Second factors: giving one, setting them up and removing them."""

from __future__ import annotations

import strawberry

from models.accounts import enrolment, sign_in
from models.factors import proof
from models.factors.second_factor import Answer, SecondFactor
from schema.access.session import DonePayload, SignInPayload, Viewer, ViewerPayload, begun
from schema.core.context import Info
from schema.core.errors import Payload, refused_in_payload


@strawberry.input
class CompleteSignInInput:
    """The answer to a challenge: one of `code`, `passkey` and `recoveryCode`."""

    challenge: str
    "The `token` of `SignInChallenge`."
    code: str | None = None
    "The six digits that the authenticator app shows."
    passkey: str | None = None
    "What `navigator.credentials.get` returned, as JSON (`toJSON()`)."
    recovery_code: str | None = None
    "A recovery code; case and hyphens don't matter."


@strawberry.input
class ConfirmIdentityInput:
    """Proves again who it is, with one of these; counts for ten minutes, as a new session does.
    Whoever has a second factor proves it with that.
    """

    password: str | None = None
    "The caller's own password; SECOND_FACTOR_REQUIRED where they have a second factor."
    code: str | None = None
    "The six digits that the authenticator app shows, or a recovery code."
    passkey: str | None = None
    "What `navigator.credentials.get` returned for `beginConfirmIdentity`'s options, as JSON."


@strawberry.input
class ConfirmTotpInput:
    """The first code of an authenticator app."""

    code: str
    "The six digits that the app shows."


@strawberry.input
class ConfirmPasskeyInput:
    """A passkey that the browser has made."""

    credential: str
    "What `navigator.credentials.create` returned, as JSON (`toJSON()`)."
    name: str
    "What its owner calls it: at most 100 characters."


@strawberry.input
class RemoveSecondFactorInput:
    """What to remove."""

    factor: SecondFactor
    "PASSKEY removes all passkeys, RECOVERY_CODE all recovery codes."
    password: str
    "The caller's own password."


@strawberry.type
class BeginTotpPayload(Payload):
    """The result of `beginTotp`."""

    secret: str | None = None
    "The secret in base32, to type in. It is shown only now."
    uri: str | None = None
    "The same as an `otpauth:` URI, as QR codes carry it."
    qr_code: str | None = None
    "The URI as a QR code: an SVG image as a `data:` URL."


@strawberry.type
class BeginPasskeyPayload(Payload):
    """What the browser's own API is given."""

    options: str | None = None
    """JSON for `PublicKeyCredential.parseCreationOptionsFromJSON` (`beginPasskey`) or
    `parseRequestOptionsFromJSON` (`beginConfirmIdentity`). It holds for five minutes.
    """


@strawberry.type
class ConfirmFactorPayload(Payload):
    """What has been set up."""

    viewer: Viewer | None = None
    "Who is signed in, with the new factor."
    recovery_codes: list[str] = strawberry.field(default_factory=list)
    "Ten codes that work once each, shown only now; empty where there are some already."


@strawberry.type
class FactorMutation:
    """Second factors."""

    @strawberry.mutation
    @refused_in_payload
    async def complete_sign_in(self, info: Info, input: CompleteSignInInput) -> SignInPayload:
        """Ends signing in with a second factor. Wrong, used and expired are one refusal."""
        context = info.context
        answer = Answer.of(
            code=input.code, passkey=input.passkey, recovery_code=input.recovery_code
        )
        done = await sign_in.complete(
            input.challenge,
            answer,
            address=context.address,
            user_agent=context.user_agent,
            notes=context.device_notes,
        )
        return await begun(context, done)

    @strawberry.mutation
    @refused_in_payload
    async def begin_confirm_identity(self, info: Info) -> BeginPasskeyPayload:
        """Asks for a passkey, for `confirmIdentity`. Password and code need no beginning."""
        by = info.context.signed_in(to_enrol=True)
        return BeginPasskeyPayload(options=await proof.passkey_options(by))

    @strawberry.mutation
    @refused_in_payload
    async def confirm_identity(self, info: Info, input: ConfirmIdentityInput) -> DonePayload:
        """Proves again who it is, for what answers STEP_UP_REQUIRED."""
        await proof.confirm(
            info.context.signed_in(to_enrol=True),
            password=input.password,
            code=input.code,
            passkey=input.passkey,
        )
        await info.context.look_again()
        return DonePayload()

    @strawberry.mutation
    @refused_in_payload
    async def begin_totp(self, info: Info) -> BeginTotpPayload:
        """Makes a secret for an authenticator app; `confirmTotp` turns it on."""
        app = await enrolment.begin_totp(info.context.signed_in(to_enrol=True))
        return BeginTotpPayload(secret=app.secret, uri=app.uri, qr_code=_qr_code(app.uri))

    @strawberry.mutation
    @refused_in_payload
    async def confirm_totp(self, info: Info, input: ConfirmTotpInput) -> ConfirmFactorPayload:
        """Turns an authenticator app on with its first code."""
        by = info.context.signed_in(to_enrol=True)
        return await _confirmed(info, await enrolment.confirm_totp(by, input.code))

    @strawberry.mutation
    @refused_in_payload
    async def begin_passkey(self, info: Info) -> BeginPasskeyPayload:
        """Begins a passkey; `confirmPasskey` adds what the browser makes of the options."""
        by = info.context.signed_in(to_enrol=True)
        return BeginPasskeyPayload(options=await enrolment.begin_passkey(by))

    @strawberry.mutation
    @refused_in_payload
    async def confirm_passkey(self, info: Info, input: ConfirmPasskeyInput) -> ConfirmFactorPayload:
        """Adds a passkey."""
        by = info.context.signed_in(to_enrol=True)
        codes = await enrolment.confirm_passkey(by, input.credential, input.name)
        return await _confirmed(info, codes)

    @strawberry.mutation
    @refused_in_payload
    async def renew_recovery_codes(self, info: Info) -> ConfirmFactorPayload:
        """Makes ten new recovery codes; the old ones work no longer."""
        codes = await enrolment.renew_recovery_codes(info.context.signed_in())
        return await _confirmed(info, codes)

    @strawberry.mutation
    @refused_in_payload
    async def remove_second_factor(
        self, info: Info, input: RemoveSecondFactorInput
    ) -> ViewerPayload:
        """Removes a second factor: STEP_UP_REQUIRED unless one was given within ten minutes. With
        the last app or passkey, recovery codes go too.
        """
        await enrolment.remove(info.context.signed_in(), input.factor, input.password)
        return ViewerPayload(viewer=Viewer.of(await info.context.look_again()))


def _qr_code(uri: str) -> str:
    import segno  # noqa: PLC0415 - few ever set an app up

    # The quiet zone is light, so that it can be read from a dark page as well.
    return segno.make(uri).svg_data_uri(scale=4, light="white")


async def _confirmed(info: Info, codes: list[str]) -> ConfirmFactorPayload:
    viewer = Viewer.of(await info.context.look_again())
    return ConfirmFactorPayload(viewer=viewer, recovery_codes=codes)
