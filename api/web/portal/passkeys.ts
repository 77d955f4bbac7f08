/** Passkeys, by the browser's own API. */

export const supported = () =>
  "PublicKeyCredential" in globalThis && "parseRequestOptionsFromJSON" in PublicKeyCredential;

/** A new passkey as JSON; undefined where the person or their device would not make one. */
export const makePasskey = (options: string) =>
  asked(() =>
    navigator.credentials.create({
      publicKey: PublicKeyCredential.parseCreationOptionsFromJSON(JSON.parse(options)),
    })
  );

/** A passkey's answer as JSON; undefined as above. */
export const answerWithPasskey = (options: string) =>
  asked(() =>
    navigator.credentials.get({
      publicKey: PublicKeyCredential.parseRequestOptionsFromJSON(JSON.parse(options)),
    })
  );

async function asked(ask: () => Promise<Credential | null>): Promise<string | undefined> {
  try {
    const made = await ask();
    return made ? JSON.stringify((made as PublicKeyCredential).toJSON()) : undefined;
  } catch (error) {
    // They closed the browser's window, took too long, or have this one already.
    if (error instanceof DOMException) return undefined;
    throw error;
  }
}
