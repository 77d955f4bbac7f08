/** Addresses of the portal's own, without loading the page anew. */

import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { seller } from "./page.ts";
import { store } from "./store.ts";

export const path = store(location.pathname);

let moved = false;

export function go(to: string, replace = false) {
  moved = true;
  if (replace) history.replaceState(null, "", to);
  else history.pushState(null, "", to);
  path.set(location.pathname);
  if (!replace) scrollTo(0, 0);
}

addEventListener("popstate", () => {
  moved = true;
  path.set(location.pathname);
});

interface LinkProps {
  to: string;
  class?: string;
  current?: boolean;
  label?: string;
  onGo?: () => void;
  children: ComponentChildren;
}

export function Link({ to, current, label, onGo, children, ...rest }: LinkProps) {
  const follow = (event: MouseEvent) => {
    if (event.metaKey || event.ctrlKey || event.shiftKey || event.button) return;
    event.preventDefault();
    onGo?.();
    go(to);
  };
  return (
    <a
      {...rest}
      href={to}
      aria-label={label}
      aria-current={current ? "page" : undefined}
      onClick={follow}
    >
      {children}
    </a>
  );
}

/** A screen's heading: names the page, and is where a screen reader goes on after a move. */
export function Heading({ children, title }: { children: ComponentChildren; title: string }) {
  const heading = useRef<HTMLHeadingElement>(null);
  useEffect(() => {
    document.title = `${title} · ${seller}`;
  }, [title]);
  useEffect(() => {
    if (moved) heading.current?.focus({ preventScroll: true });
  }, []);
  return <h1 ref={heading} tabIndex={-1}>{children}</h1>;
}
