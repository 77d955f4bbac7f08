/** Lets the dialogs lock the page's scrolling by a style element: they look for a nonce here. */

const script = document.querySelector<HTMLScriptElement>("script[nonce]");
(globalThis as { __webpack_nonce__?: string }).__webpack_nonce__ = script?.nonce;
