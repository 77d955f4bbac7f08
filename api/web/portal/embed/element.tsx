/** What all elements have in common. */

import { render } from "preact";
import { consider, type Embedded, join, part } from "./page.ts";
import { Shell, type View } from "./shell.tsx";
import { sheet } from "./style.ts";

const ATTRIBUTES = ["token", "locale", "endpoint"];

export function define(name: string, view: View) {
  // A page may load the script twice.
  if (!customElements.get(name)) customElements.define(name, elementOf(view));
}

const elementOf = (view: View) =>
  class extends HTMLElement implements Embedded {
    static observedAttributes = ATTRIBUTES;

    #getToken?: () => Promise<string>;

    get getToken() {
      return this.#getToken;
    }

    set getToken(getToken) {
      this.#getToken = getToken;
      consider();
    }

    connectedCallback() {
      // A page may have set it before this script was there.
      if (Object.hasOwn(this, "getToken")) {
        const { getToken } = this;
        Reflect.deleteProperty(this, "getToken");
        this.getToken = getToken;
      }
      const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
      root.adoptedStyleSheets = [sheet];
      render(<Shell element={this} view={view} />, root);
      join(this);
    }

    disconnectedCallback() {
      if (this.shadowRoot) render(null, this.shadowRoot);
      part(this);
    }

    attributeChangedCallback() {
      consider();
    }
  };
