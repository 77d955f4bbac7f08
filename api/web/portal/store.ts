/** A value that components watch. */

import { useLayoutEffect, useState } from "preact/hooks";

export interface Store<T> {
  get(): T;
  set(value: T): void;
  watch(listener: () => void): () => void;
}

export function store<T>(value: T): Store<T> {
  const listeners = new Set<() => void>();
  return {
    get: () => value,
    set(next) {
      if (Object.is(next, value)) return;
      value = next;
      for (const listener of [...listeners]) listener();
    },
    watch(listener) {
      listeners.add(listener);
      return () => listeners.delete(listener);
    },
  };
}

/** The store's value; the component is drawn again when it changes. */
export function useStore<T>(watched: Store<T>): T {
  const [value, setValue] = useState(() => watched.get());
  useLayoutEffect(() => {
    const look = () => setValue(() => watched.get());
    look();
    return watched.watch(look);
  }, [watched]);
  return value;
}
