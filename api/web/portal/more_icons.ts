/** Icons that only the whole portal shows. */

import { bring } from "./icons.tsx";

bring({
  close: "M6 6l12 12M18 6L6 18",
  copy:
    "M9 9h10a1 1 0 0 1 1 1v10a1 1 0 0 1-1 1H9a1 1 0 0 1-1-1V10a1 1 0 0 1 1-1ZM5 15H4a1 1 0 0 1-1-1V4a1 1 0 0 1 1-1h10a1 1 0 0 1 1 1v1",
  gift:
    "M20 12v8a1 1 0 0 1-1 1H5a1 1 0 0 1-1-1v-8M2.5 7.5h19V12h-19ZM12 7.5V21M12 7.5S11 3 8 3a2.2 2.2 0 0 0 0 4.5ZM12 7.5S13 3 16 3a2.2 2.2 0 0 1 0 4.5Z",
  menu: "M4 7h16M4 12h16M4 17h16",
  out: "M14 4h4a1 1 0 0 1 1 1v14a1 1 0 0 1-1 1h-4M10 8l-4 4 4 4M6 12h9",
  swap: "M7 4L3 8l4 4M3 8h13M17 12l4 4-4 4M21 16H8",
  wallet:
    "M4 7a2 2 0 0 1 2-2h11v3M4 7v10a2 2 0 0 0 2 2h13a1 1 0 0 0 1-1V9a1 1 0 0 0-1-1H5a1 1 0 0 1-1-1ZM16 13.500v.01",
});
