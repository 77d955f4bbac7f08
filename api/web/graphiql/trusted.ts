/**
 * The page's only Trusted Types policy. GraphiQL shows the schema's descriptions as HTML that it
 * makes of Markdown; other HTML is shown as text, and no text becomes a script or its address.
 */

const TAGS = "a|blockquote|br|code|em|h[1-6]|hr|li|ol|p|pre|s|strong|table|tbody|td|th|thead|tr|ul";
const ALLOWED = new RegExp(`</?(?:${TAGS})(?: (?:class|href|start|title)="[^"<>]*")*\\s*/?>`, "g");

interface Policies {
  createPolicy(name: string, rules: { createHTML(html: string): string }): unknown;
}

(globalThis as { trustedTypes?: Policies }).trustedTypes?.createPolicy("default", {
  createHTML: (html) => html.replace(ALLOWED, "").includes("<") ? escaped(html) : html,
});

function escaped(html: string): string {
  return html.replaceAll("&", "&amp;").replaceAll("<", "&lt;");
}
