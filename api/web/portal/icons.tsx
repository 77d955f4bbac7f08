/** Line icons on a grid of 24, drawn in the colour of their text. */

const PATHS = {
  alert:
    "M12 8v5m0 3v.01M10.3 3.9 2.4 17.5A2 2 0 0 0 4.1 20.5h15.8a2 2 0 0 0 1.7-3L13.7 3.9a2 2 0 0 0-3.4 0Z",
  back: "M15 18l-6-6 6-6",
  check: "M5 12.5l4.5 4.5L19 7.5",
  clock: "M12 7v5l3 2M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z",
  download: "M12 4v11m0 0l-4-4m4 4l4-4M4 19h16",
  info: "M12 11v5m0-8v.01M21 12a9 9 0 1 1-18 0 9 9 0 0 1 18 0Z",
  invoice: "M6 3h12v18l-3-2-3 2-3-2-3 2ZM9.5 8h5M9.5 12h5",
  plus: "M12 5v14M5 12h14",
  refresh: "M20 11a8 8 0 0 0-14-4.5L4 9m0-5v5h5M4 13a8 8 0 0 0 14 4.5l2-2.500m0 5v-5h-5",
} as const;

/** Those that the portal alone shows, and brings along. */
const MORE: {
  [name in "close" | "copy" | "gift" | "menu" | "out" | "settings" | "swap" | "wallet"]?: string;
} = {};

export type IconName = keyof typeof PATHS | keyof typeof MORE;

export const bring = (more: Required<typeof MORE>) => Object.assign(MORE, more);

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class="icon" viewBox="0 0 24 24" aria-hidden="true">
      <path d={{ ...PATHS, ...MORE }[name]} />
    </svg>
  );
}
