/** Light, dark, or as the system has it. */

import { store } from "./store.ts";

const KEPT_AS = "account-credit-theme";

export const THEMES = ["system", "light", "dark"] as const;
export type Theme = typeof THEMES[number];

const kept = localStorage.getItem(KEPT_AS) as Theme;

export const theme = store<Theme>(THEMES.includes(kept) ? kept : "system");

function show() {
  document.documentElement.dataset.theme = theme.get();
  localStorage.setItem(KEPT_AS, theme.get());
}

theme.watch(show);
show();
